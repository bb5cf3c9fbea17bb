"""A transcript has every packet with relative numbers, the messages between them, and marks on what is unusual."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import recorded
from conversations import ACK, PSH, RST, Conversation

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import Examined
from gryphon.sender.inspect.segments import packets
from gryphon.sender.inspect.transcript import printable, transcript


def lines_of(examined: Examined, number: int = 0, columns: int = 80) -> list[str]:
    return list(transcript(examined, number, columns))


def marks_of(examined: Examined, number: int = 0) -> list[tuple[str, str]]:
    """Direction and mark of the marked packets."""
    found = packets(examined, number, 0)
    return [("->" if packet.from_client else "<-", packet.mark) for packet in found if packet.mark]


def polite() -> Conversation:
    talk = Conversation().open()
    talk.answer(3, b"220 ready\r\n")
    talk.say(5, b"HELO me\r\n")
    talk.answer(25, b"250 hello\r\n")
    talk.say(825, b"QUIT\r\n")
    talk.close(830)
    return talk


def test_messages_stand_in_front_of_their_packets_with_what_they_wait_for(tmp_path: Path) -> None:
    lines = lines_of(recorded(tmp_path, polite()))
    at = next(i for i, line in enumerate(lines) if line.startswith("   0.003000 <- PA"))
    assert [line.rstrip("-").strip() for line in lines[at:]] == [
        "0.003000 <- PA        1     1     11    64240  220 ready\\r\\n",
        "--- message 1: 9 bytes, waits for 11 bytes, then 2 ms",
        "0.005000 -> PA        1    12      9    64240  HELO me\\r\\n",
        "0.025000 <- PA       12    10     11    64240  250 hello\\r\\n",
        "--- message 2: 6 bytes, waits for 11 bytes, then 800 ms",
        "0.825000 -> PA       10    23      6    64240  QUIT\\r\\n",
        "--- end: 5 ms after the message before, the client closes",
        "0.830000 -> FA       16    23      0    64240",
        "0.831000 <- FA       23    17      0    64240",
        "0.832000 -> A        17    24      0    64240",
    ]


def test_the_head_says_who_talked_and_how(tmp_path: Path) -> None:
    lines = lines_of(recorded(tmp_path, polite()))
    assert lines[:5] == [
        "session     0 of 1, 10.0.0.1:40000 -> 10.0.0.2:80, SMTP",
        "verdict     replayable",
        "content     2 messages, 15 bytes from the client, 22 from the server",
        "time        from 2023-11-14T22:13:20.123456Z, 832 ms, 10 packets",
        "handshake   1 ms, SYN with window 64240, MSS 1460, scale 7",
    ]


def test_a_rejected_session_says_why_and_still_shows_its_packets(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.said = 40
    talk.say(5, b"behind the hole")
    lines = lines_of(recorded(tmp_path, talk))
    assert lines[1] == "verdict     rejected, missing_bytes: the capture lost client packets (40 bytes"
    assert lines[2] == "            in the first hole)"
    assert not any(line.startswith("---") for line in lines)
    assert lines[-1].endswith("[40 bytes missing before]  beh")


def test_a_session_from_the_middle_counts_from_its_first_packets(tmp_path: Path) -> None:
    talk = Conversation(said=5000, answered=7000)
    talk.say(0, b"more")
    talk.answer(1, b"yes")
    lines = lines_of(recorded(tmp_path, talk))
    assert lines[1] == "verdict     rejected, no_syn: it began before the capture"
    assert [line.split()[3:6] for line in lines[-2:]] == [["1", "1", "4"], ["1", "5", "3"]]


def test_what_repeats_or_comes_late_is_marked(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"first")
    talk.send(6, PSH | ACK, 10, 0, b"third")
    talk.send(7, PSH | ACK, 5, 0, b"secon")
    talk.send(8, PSH | ACK, 0, 0, b"first")
    talk.send(9, PSH | ACK, 5, 0, b"OTHER")
    talk.send(10, ACK, 14, 0)
    talk.said = 15
    talk.answer(11, b"answer")
    talk.send(12, PSH | ACK, 0, 15, b"answer and more", from_client=False)
    assert marks_of(recorded(tmp_path, talk)) == [
        ("->", "5 bytes missing before"),
        ("->", "out of order"),
        ("->", "retransmission"),
        ("->", "retransmission, other content"),
        ("->", "keep-alive"),
        ("<-", "retransmission and more"),
    ]


def test_sequence_numbers_go_on_behind_four_gigabytes(tmp_path: Path) -> None:
    talk = Conversation(client_isn=2**32 - 3, server_isn=2**32 - 1).open()
    talk.say(5, b"over the end")
    talk.answer(6, b"as well")
    found = list(packets(recorded(tmp_path, talk), 0, 0))
    assert [(packet.seq, packet.ack) for packet in found[2:]] == [(1, 1), (1, 1), (1, 13)]


def test_a_reset_ends_the_session(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"hello")
    talk.send(9, RST, 5, None)
    lines = lines_of(recorded(tmp_path, talk))
    assert lines[-2].startswith("--- end: 4 ms after the message before, the client resets ")
    assert lines[-1].startswith("   0.009000 -> R ")


def test_a_session_that_the_capture_cuts_off_says_so_at_the_end(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"hello")
    assert lines_of(recorded(tmp_path, talk))[-1].startswith("--- end: the capture ends before it does ")


@pytest.mark.parametrize("columns", [80, 100])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
    talk = Conversation(client="fd00:1111:2222:3333:4444:5555:6666:7777", server="fd00:1111:2222:3333:4444:5555:6666:1")
    talk.open().say(5, bytes(range(256)) * 5)
    assert max(len(line) for line in lines_of(recorded(tmp_path, talk), 0, columns)) <= columns


def test_bytes_that_are_no_text_are_escaped_and_never_cut_in_two() -> None:
    assert printable(b"a\\\r\n\t\x1b[31m\xff", 80) == r"a\\\r\n\t\x1b[31m\xff"
    assert printable(b"ab\x00", 5) == "ab"
    assert printable(b"ab\x00", 6) == r"ab\x00"
    assert printable(b"ab", 0) == ""


@pytest.mark.parametrize("number", [-1, 1, 99])
def test_a_number_without_a_session_is_one_sentence(tmp_path: Path, number: int) -> None:
    examined = recorded(tmp_path, polite())
    with pytest.raises(InputFault, match=rf"--session {number}: the capture has 1 session, its number is 0$"):
        transcript(examined, number, 80)
