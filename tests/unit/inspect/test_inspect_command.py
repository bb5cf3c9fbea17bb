"""``gryphon inspect`` as a user calls it: files, ports, one session, JSON, and every wrong word one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conversations import Conversation, write_pcap

from gryphon.sender import bar
from gryphon.sender.warm import warm_up


def gryphon(*words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    code = "from gryphon.sender.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, "inspect", *words], input=stdin, capture_output=True)


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    """The word about compiling is none of these tests' business."""
    warm_up(("capture",))


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """Sessions to port 80 (numbers 0 and 2) and 81 (number 1)."""
    found = []
    for port, at_ms, server_port in ((1, 0, 80), (2, 10, 81), (3, 20, 80)):
        talk = Conversation(client_port=port, server_port=server_port).open(at_ms)
        talk.say(at_ms + 2, b"question")
        talk.answer(at_ms + 3, b"answer")
        talk.close(at_ms + 5)
        found += talk.packets
    return write_pcap(tmp_path / "three.pcap", sorted(found, key=lambda packet: packet[0]))


def test_the_overview_goes_to_standard_output(capture: str) -> None:
    done = gryphon(capture)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"three.pcap: 24 packets in 27 ms" in done.stdout
    assert f"gryphon send -x 80-SERVER:80 -f {capture} -s INTERCEPT -u 2 -c RANGE\n".encode() in done.stdout


def test_numbers_of_sessions_are_those_of_the_whole_capture_whatever_the_ports(capture: str) -> None:
    one, other = gryphon(capture, "--session", "1"), gryphon(capture, "-x", "80", "--session", "1")
    assert one.stdout == other.stdout
    assert b"session     1 of 3, 10.0.0.1:2 -> 10.0.0.2:81" in one.stdout


def test_patterns_and_several_files_are_one_recording(capture: str, tmp_path: Path) -> None:
    talk = Conversation(client_port=9).open(5000)
    other = write_pcap(tmp_path / "later.pcap", talk.packets)
    for words in ((capture, other), (f"{capture},{other}",), (str(tmp_path / "*.pcap"),)):
        document = json.loads(gryphon(*words, "--json", "-").stdout)
        assert (document["packets"], document["sessions"]["recorded"], len(document["files"])) == (27, 4, 2)


def test_a_capture_may_come_through_a_pipe(capture: str) -> None:
    done = gryphon("-", "--json", "-", stdin=Path(capture).read_bytes())
    assert json.loads(done.stdout)["packets"] == 24


def test_json_into_a_file_leaves_the_overview_on_the_screen(capture: str, tmp_path: Path) -> None:
    done = gryphon(capture, "-x", "81", "--json", str(tmp_path / "out.json"))
    document = json.loads((tmp_path / "out.json").read_text())
    assert [service["port"] for service in document["services"]] == [81]
    assert document["sessions"]["recorded"] == 3
    assert b"3 recorded on all ports" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--session", "3"), b"gryphon: --session 3: the capture has 3 sessions, they are numbered from 0 to 2"),
        (("-x", "90"), b"gryphon: no session to port 90 in "),
        (("-x", "http"), b"gryphon: -x http: give server ports, such as -x 80,443"),
        (("--session", "0", "--json", "-"), b"gryphon: --session and --json: "),
        (("--json", "/nowhere/at/all"), b"gryphon: the result cannot be written to /nowhere/at/all: "),
        (("nowhere.pcap",), b"gryphon: no capture file nowhere.pcap"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_status_2(
    capture: str, words: tuple[str, ...], sentence: bytes
) -> None:
    done = gryphon(capture, *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count(b"\n") == 1


def test_a_capture_without_tcp_says_so(tmp_path: Path) -> None:
    done = gryphon(write_pcap(tmp_path / "empty.pcap", []))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no TCP connection in " in done.stderr


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    talk = Conversation().open()
    for at in range(5000):
        talk.say(at + 2, b"x")
    path = write_pcap(tmp_path / "long.pcap", talk.packets)
    code = "from gryphon.sender.cli import main; main()"
    command = [sys.executable, "-c", code, "inspect", path, "--session", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"session     0 of 1")
        process.stdout.close()
        assert process.stderr.read() == b""


def test_no_log_file_is_left(capture: str, tmp_path: Path) -> None:
    code = "from gryphon.sender.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, "inspect", capture], cwd=tmp_path, check=True, capture_output=True)
    assert [path.name for path in tmp_path.iterdir()] == ["three.pcap"]


def test_the_bar_is_for_large_files_on_a_terminal(
    capture: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with bar.reading([capture]) as told:
        assert told is None
    monkeypatch.setattr(bar, "LARGE", 1)
    with bar.reading([capture]) as told:
        assert told is None  # standard error is no terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar.reading([capture]) as told:
        assert told is not None
        told(10, 0)
        told(10, 100)
        told(100, 100)
    assert "reading" in capsys.readouterr().err


def test_help_needs_none_of_the_heavy_modules() -> None:
    code = (
        "import sys, gryphon.sender.cli as cli\n"
        "try:\n    cli.app(['inspect', '-h'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'numba', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--session" in done.stdout


def test_a_closed_standard_output_is_one_sentence(capture: str) -> None:
    code = "from gryphon.sender.cli import main; main()"
    line = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", code, "inspect", capture]
    done = subprocess.run(line, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (
        2,
        b"gryphon: standard output is closed: leave it open, or send it to a file\n",
    )


def test_the_ports_tell_who_the_server_is_where_no_syn_does(tmp_path: Path) -> None:
    talk = Conversation(client_port=1024, server_port=8080)
    talk.say(5, b"GET / HTTP/1.1\r\n\r\n")
    talk.answer(6, b"HTTP/1.1 200 OK\r\n\r\n")
    done = gryphon(write_pcap(tmp_path / "halfway.pcap", talk.packets), "-x", "8080")
    assert done.returncode == 0
    assert b"10.0.0.2:8080" in done.stdout


def test_a_line_to_copy_names_a_file_with_a_comma_so_that_it_is_found(capture: str, tmp_path: Path) -> None:
    odd = tmp_path / "three,odd.pcap"
    Path(capture).rename(odd)
    other = write_pcap(tmp_path / "later.pcap", Conversation(client_port=9).open(5000).packets)
    assert f"-f {odd} -s".encode() in gryphon(str(odd)).stdout
    assert f"-f '{tmp_path}/three?odd.pcap,{other}' -s".encode() in gryphon(str(odd), other).stdout
