"""The command as a process: standard output and its faults, what the shell sees, and how fast help is there."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conversations import Conversation, write_pcap

from gryphon.sender.warm import warm_up

COMMAND = [sys.executable, "-c", "from gryphon.sender.cli import main; main()", "extract"]


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """A capture with one session to port 80."""
    warm_up(("capture", "extract"))
    talk = Conversation().open()
    talk.say(5, b"hello")
    return write_pcap(tmp_path / "x.pcap", talk.packets)


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    where = {"stdout": subprocess.PIPE} | options
    return subprocess.run([*COMMAND, *arguments], stderr=subprocess.PIPE, timeout=100, check=False, **where)


def test_standard_output_has_the_same_bytes_and_nothing_else(capture: str, tmp_path: Path) -> None:
    assert run(capture, "-x", "80", "-o", str(tmp_path / "small")).returncode == 0
    piped = run("-", "-x", "80", "-o", "-", input=Path(capture).read_bytes())
    assert piped.returncode == 0
    assert piped.stdout == (tmp_path / "small").read_bytes()
    assert piped.stderr.startswith(b"wrote 1 session, 4 packets, ")
    assert piped.stderr.endswith(b" to standard output\n")


def test_a_full_standard_output_is_one_sentence(capture: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(capture, "-x", "80", "-o", "-", stdout=full)
    assert done.returncode == 3
    assert done.stderr == b"gryphon: standard output cannot be written: No space left on device\n"


def test_a_terminal_is_no_place_for_a_capture(capture: str) -> None:
    master, terminal = pty.openpty()
    try:
        done = run(capture, "-x", "80", "-o", "-", stdout=terminal)
    finally:
        os.close(master)
        os.close(terminal)
    assert done.returncode == 2
    assert b"standard output is a terminal: name a file with -o" in done.stderr


def test_standard_output_is_none_of_the_inputs(capture: str) -> None:
    before = Path(capture).read_bytes()
    with Path(capture).open("ab") as same:
        done = run(capture, "-x", "80", "-o", "-", stdout=same)
    assert done.returncode == 2
    assert b"standard output is one of the captures" in done.stderr
    assert Path(capture).read_bytes() == before


def test_a_reader_that_has_seen_enough_is_no_fault(capture: str) -> None:
    process = subprocess.Popen([*COMMAND, capture, "-x", "80", "-o", "-"], stdout=subprocess.PIPE, stderr=-1)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=100)
    assert (process.returncode, said) == (1, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_so_and_leaves_nothing(
    capture: str, tmp_path: Path, number: signal.Signals
) -> None:
    script = (
        "import os, sys; from gryphon.sender import cli; from gryphon.sender.extract import run\n"
        f"run.write = lambda packets, ways, out: os.kill(os.getpid(), {int(number)}) or 0\n"
        f"sys.argv[1:] = ['extract', {capture!r}, '-x', '80', '-o', {str(tmp_path / 'new')!r}]; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=100, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"gryphon: interrupted; nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pcap"]


def test_a_fault_is_one_sentence_and_exit_status_2(capture: str, tmp_path: Path) -> None:
    done = run(capture, "-x", "81", "-o", str(tmp_path / "new"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"gryphon: no session to port 81 in ")
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "new").exists()


def test_help_names_every_option_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv[1:] = ['extract', '--help']\n"
        "from gryphon.sender.cli import main\n"
        "try: main()\n"
        "finally: assert not {'numpy', 'numba', 'scapy'} & set(sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    for option in ("-x", "-o", "--sessions", "--session", "--anonymise", "--allow-encrypted", "--hold", "--force"):
        assert option in printed
