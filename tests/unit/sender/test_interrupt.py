"""Ctrl-C before a run has begun: one line, no traceback, and nothing of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gryphon.sender.interrupt import interruptible
from gryphon.sender.warm import warm_up

COMMAND = [sys.executable, "-c", "from gryphon.sender.cli import main; main()", "send"]


def test_an_interrupted_send_that_waits_for_its_capture_says_one_line(tmp_path: Path) -> None:
    warm_up()  # or it says first that it compiles
    capture = tmp_path / "pipe.pcap"
    os.mkfifo(capture)
    line = [*COMMAND, "-x", "80-10.0.0.1:80", "-f", str(capture), "-s", "10.0.0.1", "-u", "1", "-c", "10.9.9.*"]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, capture.open("wb"):  # opened once the command reads it
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=100)
    assert (process.returncode, out, said) == (130, b"", b"gryphon: interrupted\n")


def test_other_faults_pass() -> None:
    with pytest.raises(ValueError, match="mine"), interruptible():
        raise ValueError("mine")


def test_what_a_person_wants_to_know_is_in_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, interruptible("; nothing was written"):
        raise KeyboardInterrupt
    assert left.value.exit_code == 130
    assert capsys.readouterr().err == "gryphon: interrupted; nothing was written\n"
