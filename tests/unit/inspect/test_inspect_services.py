"""A recording by services, and the send line for it, on conversations written here."""

from __future__ import annotations

import shlex
from pathlib import Path

from captures import recorded
from conversations import ACK, MS, PSH, Conversation

from gryphon.sender.capture.recording import Rules
from gryphon.sender.inspect.overview import overview
from gryphon.sender.inspect.services import services
from gryphon.sender.inspect.suggest import placeholders
from gryphon.sender.inspect.text import text
from gryphon.sender.transfers import parse_ports


def exchange(port: int, at_ms: float = 0, **ends: str | int) -> Conversation:
    """Two requests, 500 ms of thought between them."""
    talk = Conversation(client_port=port, **ends).open(at_ms)  # type: ignore[arg-type]
    talk.say(at_ms + 2, b"GET / HTTP/1.1\r\n\r\n")
    talk.answer(at_ms + 10, b"HTTP/1.1 200 OK\r\n\r\n")
    talk.say(at_ms + 510, b"GET /a HTTP/1.1\r\n\r\n")
    talk.answer(at_ms + 520, b"HTTP/1.1 404 No\r\n\r\n")
    talk.close(at_ms + 530)
    return talk


def lossy(port: int, at_ms: float = 0) -> Conversation:
    """Its second segment is not in the capture."""
    talk = Conversation(client_port=port).open(at_ms)
    talk.say(at_ms + 2, b"POST / HTTP/1.1\r\n")
    talk.said += 40
    talk.say(at_ms + 1700, b"end")
    talk.close(at_ms + 1800)
    return talk


def test_services_are_told_apart_by_address_and_port_the_busiest_first(tmp_path: Path) -> None:
    talks = [exchange(1), exchange(2, server_port=81), exchange(3, server="10.0.0.3"), exchange(4)]
    found = services(recorded(tmp_path, *talks).recording)
    assert [(each.server, each.port, each.sessions) for each in found] == [
        ("10.0.0.2", 80, 2),
        ("10.0.0.3", 80, 1),
        ("10.0.0.2", 81, 1),
    ]


def test_a_service_has_the_figures_of_its_sessions(tmp_path: Path) -> None:
    (found,) = services(recorded(tmp_path, exchange(1), exchange(2, 100), exchange(3, 2000), lossy(4)).recording)
    assert (found.protocol, found.sessions, found.replayable, found.messages) == ("HTTP/1.x", 4, 3, 6)
    assert (found.client_bytes, found.server_bytes) == (3 * 37 + 17, 3 * 38)
    assert (found.peak, found.end_ns - found.start_ns) == (3, 2532 * MS)
    assert {reason: count for reason, count in found.rejected.items() if count} == {"missing_bytes": 1}
    assert (found.think_ns.count, found.think_ns.p50, found.think_ns.max) == (3, 500 * MS, 500 * MS)
    assert found.pauses.frequent == [(500 * MS, 3)]
    assert (found.message_bytes.count, found.message_bytes.p50, found.message_bytes.max) == (6, 18, 19)
    assert (found.answer_bytes.count, found.answer_bytes.p50) == (6, 19)
    assert (found.answer_ns.p50, found.answer_ns.max) == (8 * MS, 10 * MS)
    assert (found.lost.connections, found.lost.bytes) == (1, 40)


def test_a_session_whose_client_is_silent_has_no_think_times(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.answer(5, b"220 ready SMTP\r\n")
    talk.close(9000)
    (found,) = services(recorded(tmp_path, talk, rules=Rules(keep_silent=True)).recording)
    assert (found.replayable, found.messages, found.think_ns.count, found.answer_bytes.count) == (1, 0, 0, 0)
    assert found.protocol == "SMTP"


def test_chosen_ports_bound_the_services_but_not_the_counts_of_the_whole(tmp_path: Path) -> None:
    recording = recorded(tmp_path, exchange(1), exchange(2, server_port=81), lossy(3)).recording
    found = overview(recording, {81: None}, Rules())
    assert [each.port for each in found.services] == [81]
    assert (found.recorded, found.replayable, found.lost.connections) == (3, 2, 0)


def test_the_send_line_replays_each_session_of_the_busiest_port_once(tmp_path: Path) -> None:
    talks = [exchange(1, server="10.0.0.3"), exchange(2), exchange(3, server_port=81), lossy(4)]
    directory = tmp_path / "two words"
    directory.mkdir()
    examined = recorded(directory, *talks)
    line = overview(examined.recording, None, Rules()).send
    assert line is not None
    file = str(directory / "made.pcap")
    assert shlex.split(line) == shlex.split(f"gryphon send -x 80-SERVER:80 -f '{file}' -s INTERCEPT -u 2 -c RANGE")
    assert list(placeholders(line)) == ["SERVER", "INTERCEPT", "RANGE"]


def test_the_send_line_takes_the_chosen_ports_and_what_is_said_of_their_servers(tmp_path: Path) -> None:
    recording = recorded(tmp_path, exchange(1), exchange(2, server_port=81)).recording
    rules = Rules(keep_silent=True, allow_encrypted=True)
    line = overview(recording, parse_ports("80-[fd00::1]:8080,81-10.0.0.9:81"), rules).send
    assert line is not None
    words = shlex.split(line)
    assert words[3] == "80-[fd00::1]:8080,81-10.0.0.9:81"
    assert words[words.index("-u") + 1] == "2"
    assert words[-3:] == ["--hold", "forever", "--allow-encrypted"]
    assert list(placeholders(line)) == ["INTERCEPT", "RANGE"]


def test_without_anything_replayable_there_is_no_send_line_but_the_reason(tmp_path: Path) -> None:
    found = overview(recorded(tmp_path, lossy(1)).recording, None, Rules())
    assert found.send is None
    printed = text(found, chosen=False)
    assert "1 missing_bytes: the capture lost client packets" in printed
    assert "The capture lost 40 B of 1 connection" in printed
    assert printed.endswith("Nothing in it can be replayed.\n")


def test_many_services_are_cut_to_what_can_be_read(tmp_path: Path) -> None:
    talks = [exchange(port, server_port=1000 + port) for port in range(1, 31)]
    printed = text(overview(recorded(tmp_path, *talks).recording, None, Rules()), chosen=False)
    lines = printed.splitlines()
    assert "and 10 more (--json has all)" in lines
    assert "-x PORT shows these figures for the 27 other services." in lines
    assert max(len(line) for line in lines[:-1]) <= 80


def test_a_long_address_has_a_line_of_its_own(tmp_path: Path) -> None:
    talk = exchange(1, client="fd00::1", server="fd00:1111:2222:3333:4444:5555:6666:7777")
    lines = text(overview(recorded(tmp_path, talk).recording, None, Rules()), chosen=False).splitlines()
    at = lines.index("[fd00:1111:2222:3333:4444:5555:6666:7777]:80")
    assert lines[at + 1].split() == ["HTTP/1.x", "1", "1", "2", "37", "B", "38", "B"]


def test_a_capture_without_pushes_of_the_client_is_no_error(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"one", PSH | ACK)
    (found,) = services(recorded(tmp_path, talk).recording)
    assert (found.messages, found.answer_ns.count, found.protocol) == (1, 0, "HTTP?")
