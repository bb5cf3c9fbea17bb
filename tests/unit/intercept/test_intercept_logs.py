"""The intercept's log file has what its level says; standard error has every event but debugging."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gryphon.controller.logs import LEVELS
from gryphon.intercept.logs import open_log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """The process's loggers, as they were afterwards."""
    ours = logging.getLogger("gryphon")
    before = ours.level, ours.propagate, list(ours.handlers), logging.raiseExceptions
    yield
    ours.setLevel(before[0])
    ours.propagate, ours.handlers[:], logging.raiseExceptions = before[1:]


@pytest.mark.parametrize(("word", "held"), [("error", 1), ("warning", 2), ("info", 3), ("debug", 4)])
def test_the_file_has_its_level_and_the_terminal_all_but_debugging(
    word: str, held: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = open_log(tmp_path / "of.log", LEVELS[word])
    for name in LEVELS:
        getattr(log, name)("an event")
    assert len((tmp_path / "of.log").read_text().splitlines()) == held
    assert len(capsys.readouterr().err.splitlines()) == 3
