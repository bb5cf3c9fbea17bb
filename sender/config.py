"""``--config FILE`` holds any option of ``gryphon send``; ``--print-config`` writes the effective ones in that form."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import typer

from gryphon.controller.errors import InputFault
from gryphon.sender.options import SendOptions

SECRET = ("token",)
"""Options that are read from a file, but never written to one."""

NEEDED = {"transfer": "-x", "file": "-f", "intercept": "-s", "clients": "-c", "users": "-u"}
"""Without these there is no run: parameter to short option."""

_NOT_HELD = ("config", "print_config", "help")


def needed(short: str, long: str, purpose: str, **more: Any) -> Any:
    """One of ``NEEDED``: to typer it is not required, since a file may have it."""
    return typer.Option(short, long, show_default=False, help=f"{purpose} Required, here or in --config.", **more)


def check_needed(context: typer.Context) -> None:
    """InputFault that names all of ``NEEDED`` that neither the command line nor a file has."""
    sources = {name: context.get_parameter_source(name) for name in NEEDED}
    missing = [NEEDED[name] for name, source in sources.items() if source is not None and source.name == "DEFAULT"]
    if missing:
        *others, last = missing
        named = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        raise InputFault(f"{named} missing, here and in --config: `gryphon send -h` says what to give")


def read_config(context: typer.Context, parameter: Any, path: Path | None) -> Path | None:
    """Let a file's options be the defaults of the command's; a callback of an eager option.

    The file is TOML, or the JSON of a result, whose ``options`` are those of its run. Raises ``InputFault``.
    """
    if path is not None:
        context.default_map = _checked(context, path, _load(path))
    return path


def _load(path: Path) -> Mapping[str, Any]:
    """What the file says."""
    try:
        text = path.read_text()
    except OSError as error:
        raise InputFault(f"--config {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputFault(f"--config {path} is no text: give a TOML file, or the JSON of a result") from error
    if path.suffix != ".json" and not text.lstrip().startswith("{"):
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputFault(f"--config {path} is no TOML: {error}") from error
    try:
        document = json.loads(text)
        options = document["options"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputFault(f"--config {path} is JSON, but no result of gryphon send") from error
    if not isinstance(options, dict):
        raise InputFault(f"--config {path} is JSON, but no result of gryphon send")
    return options


def _checked(context: typer.Context, path: Path, held: Mapping[str, Any]) -> dict[str, Any]:
    """The options by the names of their parameters."""
    known = {name: parameter for parameter in context.command.params if (name := _long_name(parameter)) is not None}
    found: dict[str, Any] = {}
    for name, value in held.items():
        parameter = known.get(name)
        if parameter is None or parameter.name is None:
            near = difflib.get_close_matches(name, known, 1)
            hint = f", did you mean {near[0]}?" if near else ":"
            raise InputFault(f"--config {path}: {name} is no option of gryphon send{hint} `gryphon send -h` has them")
        found[parameter.name] = _value(path, name, parameter, value)
    return found


def _check_number(path: Path, name: str, field: str, value: Any) -> None:
    """InputFault where the option is a number and the value is none."""
    wanted = get_type_hints(SendOptions).get(field, float if field == "timeout" else str)
    if wanted not in (int, float):
        return
    try:
        wanted(str(value))
    except ValueError as error:
        kind = "a whole number" if wanted is int else "a number"
        raise InputFault(f"--config {path}: {name} = {_as_written(value)} is not {kind}") from error


def _value(path: Path, name: str, parameter: Any, value: Any) -> Any:
    """A value as the command line would give it, of the kind that the option wants."""
    several = getattr(parameter, "multiple", False)
    flag = getattr(parameter, "is_flag", False)
    if several and not isinstance(value, list):
        value = [value]
    single = value if several else [value]
    plain = all(isinstance(each, str | int | float) and (flag or not isinstance(each, bool)) for each in single)
    if not plain or (flag and not isinstance(value, bool)):
        wanted = "true or false" if flag else "a list of texts" if several else "a text or a number"
        raise InputFault(f"--config {path}: {name} = {_as_written(value)} is not {wanted}")
    if not several and not flag:
        _check_number(path, name, parameter.name, value)
    return value


def _as_written(value: Any) -> str:
    """A value as TOML and JSON have it."""
    return json.dumps(value, default=str, ensure_ascii=False)


def _long_name(parameter: Any) -> str | None:
    """How the option is called in a file: its first long name without dashes; None for what a file does not hold."""
    if parameter.name in _NOT_HELD or getattr(parameter, "hidden", False):
        return None
    return next((opt.removeprefix("--") for opt in parameter.opts if opt.startswith("--")), None)


def effective(context: typer.Context) -> dict[str, Any]:
    """Every option that has a value, by its name in a file; what has none is left out, and so are secrets."""
    options = {}
    for parameter in context.command.params:
        name, value = _long_name(parameter), context.params.get(parameter.name or "")
        if name is None or name in SECRET or value is None or value in ([], ()):
            continue
        options[name] = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
    return options


def as_toml(options: Mapping[str, Any]) -> str:
    """The options as a file that ``--config`` reads."""
    import tomli_w

    return tomli_w.dumps(options)
