"""Commands are read out of a page as a reader would type them, and what is not run is counted."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gryphon.intercept.cli import app as intercept_app
from gryphon.sender.cli import app as gryphon_app
from manual.console import Command, read, unlike
from manual.tables import ROOT

DOCS = ROOT / "docs"

PAGE = """\
Text.

```console
server$ tcpdump -w a.pcap
listening
sender$ curl one \\
    two
$ cat > f <<'END'
a
END
sender$ echo $?
0
```

<!-- not run: it reboots -->
```console
$ reboot
```

```toml
no = "console"
```

```console
server$ ^C
3 packets
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_commands_come_whole_and_in_order(page: Path) -> None:
    assert read(page).commands == [
        Command(4, "server", "tcpdump -w a.pcap", ["listening"], stays=True),
        Command(6, "sender", "curl one \\\n    two"),
        Command(8, "", "cat > f <<'END'\na\nEND"),
        Command(11, "sender", "echo $?", ["0"]),
        Command(25, "server", "^C", ["3 packets"]),
    ]


def test_what_is_not_run_says_why(page: Path) -> None:
    assert read(page).not_run == ["it reboots"]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("output first", "begins with a prompt"),
        ("server$ ^C", "ends nothing"),
        ("sender$ a\nserver$ ^C", "ends nothing"),
    ],
)
def test_a_block_that_cannot_be_typed_is_named(tmp_path: Path, block: str, said: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"```console\n{block}\n```\n")
    with pytest.raises(ValueError, match=said):
        read(path)


def test_figures_may_differ_and_words_may_not() -> None:
    printed = "users  started  1,000\nPASSED\nLinux 6.1.0-28-amd64, fine\n"
    assert unlike(["users  started    12", "...", "", "PASSED"], printed) == []
    assert unlike(["Linux 6.18.44, fine"], printed) == []
    assert unlike(["FAILED", "started users"], printed) == ["FAILED", "started users"]


def test_the_pages_leave_out_no_more_than_is_known() -> None:
    left = {str(path.relative_to(DOCS)): len(read(path).not_run) for path in DOCS.rglob("*.md")}
    known = {"howto/README.md": 1, "howto/ipv6.md": 1, "installation.md": 9, "tutorial.md": 1}
    assert {name: count for name, count in left.items() if count} == known


def test_no_page_has_commands_that_nobody_runs() -> None:
    """tests/netns/test_documented.py runs the tutorial and the how-to pages."""
    here = {path for path in DOCS.rglob("*.md") if read(path).commands}
    assert {path for path in here if path.parent.name != "howto"} == {DOCS / "tutorial.md"}


_PROGRAMS = {"gryphon": gryphon_app, "gryphon-intercept": intercept_app}


def documented() -> list[tuple[str, list[str]]]:
    """Every command line of gryphon's own in the pages' blocks: where, and its words."""
    found = []
    for path in DOCS.rglob("*.md"):
        for command in read(path).commands:
            for words in simple_commands(command.text):
                words = words[1:] if words[:1] == ["sudo"] else words
                if words and words[0] in _PROGRAMS:
                    found.append((f"{path.name}:{command.line}", words))
    return found


def simple_commands(text: str) -> list[list[str]]:
    """A shell's line taken apart where a program ends, what it writes to left out."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=";|&<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    parts: list[list[str]] = [[]]
    for token in lexer:
        if set(token) <= set(";|&<>"):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def test_every_documented_command_is_one_that_the_program_takes() -> None:
    commands = documented()
    assert len(commands) > 40
    for where, words in commands:
        command: Any = get_command(_PROGRAMS[words[0]])
        rest = words[1:]
        if hasattr(command, "commands"):
            assert rest[0] in command.commands or rest[0].startswith("-"), where
            command, rest = command.commands.get(rest[0], command), rest[1:]
        if rest:
            parser = command.make_parser(command.context_class(command, ignore_unknown_options=False))
            parser.parse_args(rest)  # raises for an option that is not there
