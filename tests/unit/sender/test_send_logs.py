"""The log file of ``gryphon send`` has what its level says; the terminal has warnings whatever that is."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from gryphon.controller.errors import InputFault
from gryphon.controller.logs import FILE_ONLY, LEVELS
from gryphon.sender.logs import open_log, without_secrets
from gryphon.sender.meter import Meter
from gryphon.sender.shared_measures import SharedMeasures


@pytest.mark.parametrize(("word", "held"), [("error", 1), ("warning", 2), ("info", 3), ("debug", 4)])
def test_the_file_has_its_level_and_the_terminal_every_warning(
    word: str, held: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "of.log"
    open_log(path, LEVELS[word])
    path.write_text("")
    log = logging.getLogger("gryphon.sender")
    for name in LEVELS:
        getattr(log, name)("an event")
    logging.getLogger("numba.core").info("of a library")
    assert len(path.read_text().splitlines()) == held
    assert capsys.readouterr().err == 2 * "gryphon: an event\n"


def test_what_is_for_the_file_alone_is_not_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "of.log"
    open_log(path, logging.ERROR)
    logging.getLogger("gryphon").error("a traceback", extra=FILE_ONLY)
    assert "ERROR gryphon: a traceback" in path.read_text()
    assert capsys.readouterr().err == ""


def test_debugging_has_a_line_for_each_second(tmp_path: Path) -> None:
    path = tmp_path / "of.log"
    for level, lines in ((logging.INFO, 0), (logging.DEBUG, 2)):
        open_log(path, level)
        path.write_text("")
        meter = Meter(SharedMeasures(1), 0)
        meter.look(1_000_000_000)
        meter.look(2_000_000_000)
        assert path.read_text().count("pkt/s") == lines


def test_the_token_is_not_in_the_command_that_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gryphon", "send", "--token", "secret", "-u", "5"])
    open_log(tmp_path / "of.log", logging.INFO)
    assert (tmp_path / "of.log").read_text().endswith("started: gryphon send --token *** -u 5\n")
    assert without_secrets(["--token=secret", "--token-file", "path"]) == ["--token=***", "--token-file", "path"]


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"cannot write the log .*: No such file or directory; name another with -l"):
        open_log(tmp_path / "none" / "of.log", logging.INFO)
