"""Nothing half-written: each kind of wrong input, a full disk and an interruption leave the directory as it was."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from conversations import ACK, Conversation, enhanced, interface, section, write_pcap
from typer.testing import CliRunner

from gryphon.controller.errors import EnvironmentFault, Fault, InputFault
from gryphon.sender.cli import app
from gryphon.sender.extract import run
from gryphon.sender.warm import warm_up


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to stand in, with a capture of port 80 (sessions 0 and 1, and 2, which has a hole) and 81 (3)."""
    warm_up(("capture", "extract"))  # what it says is no concern of these tests
    packets = []
    for n in range(2):
        talk = Conversation(client_port=40000 + n).open(10 * n)
        talk.say(10 * n + 5, b"hello" * 200)
        packets += talk.packets
    hole = Conversation(client_port=40002).open(30)
    hole.send(40, ACK, 5, 0, b"hole before")
    other = Conversation(server_port=81).open(50)
    other.say(60, b"hello")
    write_pcap(tmp_path / "x.pcap", packets + hole.packets + other.packets)
    write_pcap(tmp_path / "hole.pcap", hole.packets)
    (tmp_path / "text").write_text("no capture")
    (tmp_path / "there").write_text("content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments: str) -> Any:
    """The command in this process; a fault comes as the exception that it is."""
    return app(["extract", *arguments], standalone_mode=False)


def contents(directory: Path) -> dict[str, bytes | None]:
    """What is in a directory: each file's bytes, of others the name alone."""
    paths = list(directory.iterdir())
    return {path.name: path.read_bytes() if path.is_file() and not path.is_symlink() else None for path in paths}


WRONG = {
    "nothing x.pcap -x 80 -o new": r"^no capture file nothing$",
    "text -x 80 -o new": r"^text is not a pcap or pcapng capture: it looks like text$",
    ", -x 80 -o new": r"^no capture file was given: name one, such as xxx.pcap$",
    "x.pcap -x 443 -o new": r"^no session to port 443 in x.pcap; it has port 80 \(3 sessions\), port 81 \(1 session\)$",
    "hole.pcap -x 80 -o new": r"^the one session to port 80 in hole.pcap cannot be replayed: missing_bytes 1 \(the",
    "x.pcap -x http -o new": r"^-x http: give server ports, such as -x 80,443$",
    "x.pcap -x 65536 -o new": r"^-x 65536: give a TCP port, 1 to 65535$",
    "x.pcap -x , -o new": r"^-x names no port: give server ports, such as -x 80,443$",
    "x.pcap -x 80-10.0.0.1 -o new": r"10\.0\.0\.1",
    "x.pcap -x 80 -o new --sessions 0": r"^--sessions 0: at least one session is needed$",
    "x.pcap -x 80 -o new --session 1,two": r"^--session 1,two: give the numbers that gryphon inspect shows, such as",
    "x.pcap -x 80 -o new --session 4": r"^there is no session 4: the last one is 3$",
    "x.pcap -x 80 -o new --session 3": r"^session 3 goes to port 81, not to port 80 of -x$",
    "x.pcap -x 80 -o new --session 0,2": r"^session 2 cannot be replayed: missing_bytes \(the capture lost client",
    "x.pcap -x 80 -o there": r"^there exists already: name another file with -o, or overwrite it with --force$",
    "x.pcap -x 80 -o x.pcap --force": r"^x.pcap is one of the captures that are read: name another file with -o$",
    "x.pcap -x 80 -o folder --force": r"^folder is not a file: name one with -o, or - for standard output$",
    "x.pcap -x 80 -o /dev/null --force": r"^/dev/null is not a file",
    f"x.pcap -x 80 -o {'n' * 300}": r"^n+ cannot be written: File name too long$",
    "x.pcap -x 80 -o loop": r"^loop cannot be written: ",
    "x.pcap -x 80 -o text/new": r"^text/new cannot be written: there is no directory",
    "x.pcap -x 80 -o absent/new": r"^absent/new cannot be written: there is no directory .*/absent$",
}


@pytest.mark.parametrize(("arguments", "sentence"), WRONG.items())
def test_wrong_input_is_one_sentence_and_leaves_nothing(arguments: str, sentence: str, place: Path) -> None:
    before = contents(place)
    with pytest.raises(InputFault, match=sentence) as raised:
        command(*arguments.split())
    assert raised.value.status == 2
    assert "\n" not in str(raised.value)
    assert contents(place) == before


@pytest.mark.parametrize("missing", ["x.pcap -o new", "x.pcap -x 80", "-x 80 -o new"])
def test_what_has_to_be_said_is_asked_for(missing: str, place: Path) -> None:
    before = contents(place)
    assert CliRunner().invoke(app, ["extract", *missing.split()]).exit_code == 2
    assert contents(place) == before


def test_times_that_a_pcap_cannot_tell_are_a_sentence(place: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"hello")
    blocks = [section(), interface(offset_s=1 << 32), *(enhanced(time, frame) for time, frame in talk.packets)]
    (place / "future").write_bytes(b"".join(blocks))
    with pytest.raises(InputFault, match=r"^packets before 1970 or after 2106 cannot be written to a pcap file"):
        command("future", "-x", "80", "-o", "new")
    assert not (place / "new").exists()


def test_a_link_to_an_input_is_that_input(place: Path) -> None:
    (place / "link").symlink_to("x.pcap")
    os.link(place / "x.pcap", place / "same")
    for name in ("link", "same", "./folder/../x.pcap"):
        with pytest.raises(InputFault, match="is one of the captures that are read"):
            command("x.pcap", "-x", "80", "-o", name, "--force")


def test_a_full_disk_is_a_sentence_and_keeps_the_old_file(place: Path) -> None:
    before = contents(place)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(EnvironmentFault, match=r"^there cannot be written: File too large$") as raised:
            command("x.pcap", "-x", "80", "-o", "there", "--force")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.status == 3
    assert contents(place) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_nothing(number: signal.Signals, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, handlers = contents(place), [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)]

    def interrupted(packets: Any, ways: Any, out: Any) -> int:
        out(memoryview(b"half a file"))
        assert len(contents(place)) == len(before) + 1
        os.kill(os.getpid(), number)
        return 0

    monkeypatch.setattr(run, "write", interrupted)
    # not ``command``: click turns the exception into its own
    with pytest.raises(KeyboardInterrupt):
        run.run_extract(run.ExtractOptions(("x.pcap",), frozenset({80}), "there", force=True))
    assert contents(place) == before
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)] == handlers


def test_a_file_that_appears_meanwhile_is_not_overwritten(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(packets: Any, ways: Any, out: Any) -> int:
        (place / "new").write_text("another's")
        return 0

    monkeypatch.setattr(run, "write", slow)
    with pytest.raises(Fault, match=r"^new exists by now"):
        command("x.pcap", "-x", "80", "-o", "new")
    assert (place / "new").read_text() == "another's"


def test_the_file_has_the_permissions_of_any_new_file(place: Path) -> None:
    before = os.umask(0o027)
    try:
        command("x.pcap", "-x", "80", "-o", "new")
    finally:
        os.umask(before)
    assert (place / "new").stat().st_mode & 0o777 == 0o640


def test_the_last_line_says_what_was_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("x.pcap", "-x", "80", "-o", "new", "--anonymise")
    said = capsys.readouterr()
    size = (place / "new").stat().st_size / 1000
    assert said.out == f"wrote 2 sessions, 8 packets, {size:.2f} kB to new; left out: missing_bytes 1\n"
    assert said.err == (
        "gryphon: replaced 1 client address and 1 server address; the payload is as recorded: host names, cookies and "
        "credentials stay in it\n"
    )
    command("x.pcap", "-x", "80-10.0.0.9:8080", "-o", "new", "--sessions", "1", "--force")
    assert capsys.readouterr().out.startswith("wrote 1 session, 4 packets,")
    command("x.pcap", "-x", "80,81", "-o", "newer")
    assert capsys.readouterr().out.endswith(" to newer; left out: missing_bytes 1\n")
