"""Log files have four levels, and an event is one line whoever wrote its words."""

from __future__ import annotations

import logging
import sys

import pytest

from gryphon.controller.errors import InputFault
from gryphon.controller.logs import LEVELS, Lines, parse_level


def record(text: str, *, fault: bool = False) -> logging.LogRecord:
    info = None
    if fault:
        try:
            raise ValueError("mine")
        except ValueError:
            info = sys.exc_info()
    return logging.LogRecord("gryphon", logging.INFO, "file.py", 1, "%s", (text,), info)


def test_the_levels_go_from_few_lines_to_many() -> None:
    numbers = [parse_level(word) for word in ("error", "warning", "info", "debug")]
    assert numbers == sorted(numbers, reverse=True) == list(LEVELS.values())


@pytest.mark.parametrize("text", ["", "INFO", "verbose", "20"])
def test_another_level_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(InputFault, match=f"--log-level {text}: give error, warning, info or debug"):
        parse_level(text)


def test_an_event_is_one_line_and_what_belongs_to_it_is_indented() -> None:
    first, *rest = Lines("%(levelname)s %(message)s").format(record("a sentence", fault=True)).splitlines()
    assert first == "INFO a sentence"
    assert rest[-1].strip() == "ValueError: mine"
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize(
    "theirs", ["gone\n2026-11-28 10:00:00 INFO grant 7", "gone\r2026 INFO", "\x1b[2Jgone", "gone\x85x", "gone\u2028x"]
)
def test_words_of_others_make_no_line_of_their_own_and_move_no_cursor(theirs: str) -> None:
    text = Lines("%(levelname)s %(message)s").format(record(theirs))
    assert sum(not line.startswith("    ") for line in text.splitlines()) == 1
    assert text.replace("\n", "").isprintable()
