"""The commands of a page of the docs, as its ```console blocks show them: prompts, commands, and what they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Place = Literal["", "sender", "server", "assistant"]
"""Where a command is typed; empty: on the machine itself."""

_PROMPT = re.compile(r"(sender|server|assistant|)\$ (.*)")
_HERE = re.compile(r"<<'?(\w+)'?")
_MARK = re.compile(r"<!-- not run: (.+) -->")
_WORD = re.compile(r"(?<![\w.])[A-Za-z]{3,}(?!\w)")


@dataclass
class Command:
    """One command of a page.

    Attributes:
        line: where it stands, from 1.
        text: what is typed; ``^C`` ends what runs there.
        output: the lines that the page shows below it.
        stays: whether it runs until a later ``^C``.
    """

    line: int
    place: Place
    text: str
    output: list[str] = field(default_factory=list)
    stays: bool = False


@dataclass(frozen=True)
class Page:
    """What a page has to run, and why the rest of its blocks is not run."""

    commands: list[Command]
    not_run: list[str]


def read(path: Path) -> Page:
    """All commands of a page, in order.

    Raises:
        ValueError: a block begins with something else than a prompt, or ``^C`` ends nothing.
    """
    commands: list[Command] = []
    not_run: list[str] = []
    lines = path.read_text().splitlines()
    at, mark = 0, None
    while at < len(lines):
        if found := _MARK.fullmatch(lines[at].strip()):
            mark = found[1]
        elif lines[at].strip() == "```console":
            end = lines.index("```", at)
            if mark is None:
                commands += _block(path, lines[at + 1 : end], at + 2)
            else:
                not_run.append(mark)
            at, mark = end, None
        elif lines[at].strip():
            mark = None
        at += 1
    _mark_staying(path, commands)
    return Page(commands, not_run)


def _block(path: Path, lines: list[str], first: int) -> Iterator[Command]:
    command: Command | None = None
    at = 0
    while at < len(lines):
        found = _PROMPT.fullmatch(lines[at])
        if found:
            if command is not None:
                yield command
            start, (text, at) = at, _whole(lines, at, found[2])
            command = Command(first + start, _place(found[1]), text)
        elif command is None:
            raise ValueError(f"{path}:{first + at}: a ```console block begins with a prompt such as `sender$ `")
        else:
            command.output.append(lines[at])
        at += 1
    if command is not None:
        yield command


def _place(text: str) -> Place:
    assert text in ("", "sender", "server", "assistant")
    return text  # type: ignore[return-value]


def _whole(lines: list[str], at: int, text: str) -> tuple[str, int]:
    """A command with the lines that continue it, and where it ends."""
    here = _HERE.search(text)
    while text.endswith("\\") or (here is not None and lines[at] != here[1]):
        at += 1
        text += "\n" + lines[at]
        here = here or _HERE.search(text)
    return text, at


def _mark_staying(path: Path, commands: list[Command]) -> None:
    """The command before a ``^C`` at the same host runs until then."""
    for number, command in enumerate(commands):
        if command.text == "^C":
            earlier = [one for one in commands[:number] if one.place == command.place and one.text != "^C"]
            if not earlier:
                raise ValueError(f"{path}:{command.line}: ^C ends nothing")
            earlier[-1].stays = True


def unlike(documented: list[str], printed: str) -> list[str]:
    """The lines of the page whose words no line of the real output has in that order; figures may be others.

    A line that is ``...`` stands for any lines.
    """
    real = [_WORD.findall(line) for line in printed.splitlines()]
    wanted = [line for line in documented if line.strip() not in ("", "...")]
    return [line for line in wanted if not any(_has(words, _WORD.findall(line)) for words in real)]


def _has(words: list[str], wanted: list[str]) -> bool:
    left = iter(words)
    return all(any(word == one for word in left) for one in wanted)
