"""Result files read and checked, so that everything behind may take them as they are described."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from gryphon.controller.errors import InputFault
from gryphon.sender.report.fit import misfits
from gryphon.sender.results.histogram import decode
from gryphon.sender.results.thresholds import load_schema, parse

Document = dict[str, Any]
"""A result, as ``result.schema.json`` has it."""

LARGEST_BYTES: Final = 64 << 20
"""A result of the longest run has 3 MB."""


def read_result(path: str) -> Document:
    """A result file's object.

    Raises:
        InputFault: it cannot be read, is no JSON, is cut off, is no result, or one of another version of gryphon.
    """
    text = _read(path)
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("{") and not text.rstrip().endswith("}"):
            raise InputFault(f"{path} is cut off: it is no whole JSON; copy it again, or repeat the run") from error
        raise _no_result(path, f"it is no JSON (line {error.lineno}: {error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise _no_result(path, f"it is no JSON that a run writes ({str(error)[:80]})") from error
    return check_result(path, document)


def check_result(path: str, document: Any) -> Document:
    """An object that is a result; InputFault otherwise."""
    if not isinstance(document, dict) or not {"version", "sessions_run", "latency_ms"} <= document.keys():
        raise _no_result(path, "it has not the keys of one")
    wrong = next(misfits(document, load_schema()), None)
    if wrong is not None:
        raise _other(path, document, wrong[:120])
    _check_times(path, document)
    for row in document["thresholds"]:
        try:
            parse(row["text"])
        except InputFault as fault:
            raise _other(path, document, f"a threshold of it is unknown here: {str(fault)[:120]}") from fault
    for text in _histograms(document):
        try:
            decode(text)
        except InputFault as fault:
            raise InputFault(f"{path} is damaged: {str(fault)[:120]}; copy it again, or repeat the run") from fault
    return document


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputFault(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputFault(f"a name with a NUL byte is no file's: {path!r}") from error
    if len(data) > LARGEST_BYTES:
        raise _no_result(path, f"it is larger than {LARGEST_BYTES >> 20} MB")
    if not data.strip():
        raise InputFault(f"{path} is empty: the run that was to write it has not ended, or was killed")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _no_result(path, "it is no text in UTF-8") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _no_result(path: str, why: str) -> InputFault:
    return InputFault(f"{path} is no result of gryphon send: {why}; give the file that --json wrote")


def _other(path: str, document: Mapping[str, Any], wrong: str) -> InputFault:
    """What does not fit: the version says whether it may be another's."""
    other, own = str(document["version"])[:40], version("gryphon")
    if other != own:
        return InputFault(f"{path} was written by gryphon {other} and this is {own} ({wrong}): use that version")
    return InputFault(
        f"{path} is not as this gryphon writes results: {wrong}; repeat the run, or use the build that made it"
    )


def _check_times(path: str, document: Mapping[str, Any]) -> None:
    """The start is a time, and the rows follow each other."""
    text = document["started"]
    try:
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(text)
    except ValueError as error:
        raise InputFault(f"{path} is damaged: its start {text[:40]!r} is no time") from error
    ends = [row["time_s"] for row in document["series"]]
    if any(later <= earlier for earlier, later in itertools.pairwise(ends)):
        raise InputFault(f"{path} is damaged: the rows of its series are not in the order of time")


def _histograms(document: Mapping[str, Any]) -> list[str]:
    """Every encoded histogram of a result."""
    kinds = [document["latency_ms"][kind] for kind in ("connect", "first_byte", "response")]
    rows = [row[since] for row in kinds for since in ("intended", "service")]
    return [row["hdr"] for row in [*rows, document["latency_ms"]["push"], document["pacing"]]]
