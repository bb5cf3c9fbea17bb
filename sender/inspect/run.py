"""``gryphon inspect``: from options to what is printed and written."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from gryphon.controller.errors import InputFault
from gryphon.sender.bar import reading
from gryphon.sender.capture.load import Examined, check_ports, examine
from gryphon.sender.capture.recording import Rules
from gryphon.sender.capture.unpack import check_readable
from gryphon.sender.inspect.document import to_json
from gryphon.sender.inspect.overview import overview
from gryphon.sender.inspect.text import text
from gryphon.sender.inspect.transcript import transcript
from gryphon.sender.warm import warm_up
from gryphon.sender.whole import write_whole

NARROWEST, WIDEST = 80, 100
"""Columns of a transcript."""


@dataclass(frozen=True)
class InspectOptions:
    """What the user asked for."""

    files: tuple[str, ...]
    ports: Mapping[int, str | None] | None
    session: int | None
    json: str | None
    rules: Rules


def run_inspect(options: InspectOptions) -> int:
    """Print what is in the files; the exit status.

    Raises:
        InputFault: a file that cannot be read, no TCP connection, no such port or session.
    """
    if sys.stdout is None:
        raise InputFault("standard output is closed: leave it open, or send it to a file")
    check_readable(options.files)
    warm_up(("capture",))
    with reading(list(options.files)) as progress:
        # every port, whatever -x says: a session has the same number always
        examined = examine(list(options.files), None, options.rules, progress, options.ports)
    if options.ports is not None:
        check_ports(options.ports, examined.recording.ports, list(options.files))
    try:
        _show(options, examined)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has seen enough
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise InputFault(f"standard output cannot be written to: {error.strerror}") from error
    return 0


def _show(options: InspectOptions, examined: Examined) -> None:
    if options.session is not None:
        columns = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
        for line in transcript(examined, options.session, columns):
            print(line)
        return
    found = overview(examined.recording, options.ports, options.rules)
    if options.json == "-":
        sys.stdout.write(to_json(found))
        return
    if options.json is not None:
        _write(options.json, to_json(found))
    print(text(found, options.ports is not None), end="")


def _write(path: str, content: str) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise InputFault(f"the result cannot be written to {path}: {error.strerror}") from error
