"""The manual pages: what each is made of, and how."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from typer.main import get_command

from gryphon.intercept.cli import app as intercept_app
from gryphon.sender.cli import app as gryphon_app
from manual import roff
from manual.tables import Row, option_table

TEXTS = Path(__file__).with_name("texts.toml")
PAGES = Path(__file__).with_name("pages")

GENERAL = frozenset({"-h", "--help", "-v", "--version", "--install-completion", "--show-completion"})
"""Options of every command, which no table has."""


def all_pages() -> dict[str, str]:
    """Every page by its file's name."""
    texts = tomllib.loads(TEXTS.read_text())
    return {f"{page['name']}.{page['section']}": _page(page, texts) for page in texts["page"]}


def command_of(page: dict[str, Any]) -> Any:
    """The command that a page is about."""
    command: Any = get_command(intercept_app if page["section"] == 8 else gryphon_app)
    for name in page["command"]:
        command = command.commands[name]
    return command


def shown(command: Any) -> list[Any]:
    """Its parameters that are no secret."""
    return [one for one in command.params if not getattr(one, "hidden", False)]


def table_of(page: dict[str, Any]) -> list[Row]:
    """The rows of the docs about its options."""
    return option_table(*page["table"]) if "table" in page else []


def undocumented(page: dict[str, Any]) -> list[str]:
    """Options that the command has and the docs' table has not."""
    known = {option for row in table_of(page) for option in row.options} | GENERAL
    missing = [one.opts[0] for one in shown(command_of(page)) if one.opts and not known & set(one.opts)]
    return [name for name in missing if name.startswith("-")]


def invented(page: dict[str, Any]) -> list[str]:
    """Options that the docs' table has and the command has not."""
    has = {name for one in command_of(page).params for name in (*one.opts, *one.secondary_opts)}
    return sorted(option for row in table_of(page) for option in row.options - has)


def _page(page: dict[str, Any], texts: dict[str, Any]) -> str:
    command = command_of(page)
    lines = roff.header(page["name"], page["section"], texts["date"], f"gryphon {version('gryphon')}")
    lines += [".SH NAME", f"{roff.escaped(page['name'])} \\- {roff.escaped(page['summary'])}"]
    lines += [".SH SYNOPSIS", *_synopsis(page, command)]
    lines += roff.section("DESCRIPTION", *page["description"])
    lines += _commands(command)
    lines += [".SH OPTIONS", *_options(page, command)]
    lines += _list("EXIT STATUS", texts["exit"])
    if page["name"] in ("gryphon-send", "gryphon-check", "gryphon-intercept"):
        lines += _list("ENVIRONMENT", texts["environment"].items())
    lines += _list("FILES", page.get("files", ()))
    if "notes" in page:
        lines += roff.section("NOTES", *page["notes"])
    if "examples" in page:
        lines.append(".SH EXAMPLES")
        for words, text in page["examples"]:
            lines += roff.example(text, words[0].upper() + words[1:] + ":")[1 if lines[-1] == ".SH EXAMPLES" else 0 :]
    lines += [".SH SEE ALSO", *_references(page["see"])]
    return roff.page(lines)


def _synopsis(page: dict[str, Any], command: Any) -> list[str]:
    words = page["name"] if page["section"] == 8 else " ".join(["gryphon", *page["command"]])
    named = [
        (one.metavar or one.name).upper().rstrip(".") for one in command.params if one.param_type_name == "argument"
    ]
    rest = " ".join(["[OPTIONS]", *(f"{name}..." for name in named)])
    if hasattr(command, "commands"):
        rest = "COMMAND [OPTIONS]"
    return [f"\\fB{roff.escaped(words)}\\fR {roff.escaped(rest)}"]


def _commands(command: Any) -> list[str]:
    """The commands of a group."""
    if not hasattr(command, "commands"):
        return []
    lines = [".SH COMMANDS"]
    for name, one in command.commands.items():
        lines += roff.entry(f"**{name}**", (one.help or "").splitlines()[0])
    return lines


def _options(page: dict[str, Any], command: Any) -> Iterator[str]:
    """The docs' rows, then what no table has, by its own short help."""
    told: set[str] = set()
    for row in table_of(page):
        told |= row.options
        yield from roff.entry(row.forms, row.meaning)
    for one in shown(command):
        if one.param_type_name == "option" and not told & set(one.opts):
            yield from roff.entry(f"**{', '.join([*one.opts, *one.secondary_opts])}**", one.help or "")
    if "--help" not in told and not any("--help" in one.opts for one in command.params):
        names = command.context_settings.get("help_option_names", ["--help"])
        yield from roff.entry(f"**{', '.join(names)}**", "Show the options and end.")


def _list(title: str, rows: Any) -> list[str]:
    lines: list[str] = []
    for tag, meaning in rows:
        lines += roff.entry(f"**{tag}**", meaning)
    return [f".SH {title}", *lines] if lines else []


def _references(names: list[str]) -> list[str]:
    lines = []
    for at, name in enumerate(names):
        word, number = name.rstrip(")").split("(")
        lines.append(f".BR {roff.escaped(word)} ({number})" + ("," if at + 1 < len(names) else ""))
    return lines
