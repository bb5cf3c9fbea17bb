"""Messages: where one ends, which server bytes answer it, and the times that a replay keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from conversations import ACK, FIN, MS, Conversation, entries_of, texts_of, write_pcap

from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import Recording, Rules

HOUR_MS = 3_600_000


def loaded(tmp_path: Path, conversation: Conversation) -> Recording:
    """The recording of one conversation."""
    return load([write_pcap(tmp_path / "x", conversation.packets)], None)


def entry(
    end: int, gap: float, expect: int = 0, answer: float = 0, settle: float = 200, pushed: int = 0, overlaps: int = 0
) -> dict[str, int]:
    """What ``entries_of`` gives, times in milliseconds."""
    return {
        "stream_end": end,
        "gap_ns": round(gap * MS),
        "expect": expect,
        "answer_ns": round(answer * MS),
        "settle_ns": round(settle * MS),
        "pushed": pushed,
        "overlaps": overlaps,
    }


def test_a_request_and_its_answer_and_the_close(tmp_path: Path) -> None:
    talk = Conversation().open(rtt_ms=3)
    talk.say(10, b"GET /")
    talk.answer(30, b"x" * 100)
    talk.answer(45, b"x" * 50)
    talk.say(60, b"GET /again")
    talk.answer(61, b"y")
    talk.close(71.5)
    recording = loaded(tmp_path, talk)
    assert entries_of(recording, 0) == [entry(5, 7), entry(15, 15, 150, 35), entry(15, 10.5, 1, 1)]
    assert recording.sessions["messages"][0] == 2
    assert recording.sessions["handshake_ns"][0] == 3 * MS


def test_a_server_that_speaks_first_is_awaited(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.answer(21, b"220 hello\r\n")
    talk.say(31, b"EHLO\r\n")
    assert entries_of(loaded(tmp_path, talk), 0)[0] == entry(6, 10, 11, 20)


def test_segments_without_push_are_one_write(tmp_path: Path) -> None:
    talk = Conversation().open()
    for n, flags in enumerate([ACK, ACK, ACK | 8, ACK | 8]):
        talk.say(10 + 100 * n, b"%d" % n * 50, flags)
    assert texts_of(loaded(tmp_path, talk), 0) == [b"0" * 50 + b"1" * 50 + b"2" * 50, b"3" * 50]


def test_full_segments_are_one_write_in_spite_of_push(tmp_path: Path) -> None:
    talk = Conversation().open()
    for n, size in enumerate([1460, 14600, 700, 1460]):
        talk.say(10 + n, b"%d" % n * size)
    assert [len(text) for text in texts_of(loaded(tmp_path, talk), 0)] == [1460 + 14600 + 700, 1460]


def test_half_of_the_servers_window_is_a_full_segment(tmp_path: Path) -> None:
    talk = Conversation(mss=65495).open()
    for n, size in enumerate([32120, 32120, 700]):
        talk.say(10 + n, b"%d" % n * size)
    assert [len(text) for text in texts_of(loaded(tmp_path, talk), 0)] == [64940]


def test_a_pause_ends_a_message_even_in_the_middle_of_a_write(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"a" * 1460, ACK)
    talk.say(210, b"b" * 1460, ACK)
    talk.say(410.001, b"c")
    assert entries_of(loaded(tmp_path, talk), 0) == [entry(2920, 9), entry(2921, 200.001), entry(2921, 0)]


def test_on_a_slow_path_a_write_may_pause_for_two_round_trips(tmp_path: Path) -> None:
    talk = Conversation().open(rtt_ms=600)
    talk.say(700, b"a" * 1460, ACK)
    talk.say(1900, b"b" * 1460, ACK)
    assert len(texts_of(loaded(tmp_path, talk), 0)) == 1


def test_one_way_messages_keep_their_timing(tmp_path: Path) -> None:
    talk = Conversation().open()
    for n in range(3):
        talk.say(10 + 2 * n, b"publish")
    talk.say(6 + HOUR_MS * 5, b"bye")
    assert entries_of(loaded(tmp_path, talk), 0) == [
        entry(7, 9),
        entry(14, 2),
        entry(21, 2),
        entry(24, 5 * HOUR_MS - 8),
        entry(24, 0),
    ]


def test_bytes_after_a_pause_of_more_than_a_second_are_pushed(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"subscribe")
    talk.answer(20, b"o")
    talk.answer(1020, b"k")
    talk.answer(2021, b"news")
    talk.answer(2022, b"more")
    talk.say(3020, b"bye")
    assert entries_of(loaded(tmp_path, talk), 0)[1] == entry(12, 2000, 2, 1010, 2000, 8)


def test_an_answer_that_begins_too_late_is_pushed(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"wait")
    talk.answer(10_011, b"late")
    talk.say(10_020, b"more")
    path = write_pcap(tmp_path / "x", talk.packets)
    assert entries_of(load([path], None), 0)[1] == entry(8, 10_010, pushed=4)
    assert entries_of(load([path], None, Rules(answer_within_ns=60_000 * MS)), 0)[1] == entry(8, 9, 4, 10_001)


def test_bytes_in_the_middle_of_a_write_are_awaited_behind_it(tmp_path: Path) -> None:
    """Nobody waited for them there, but they may answer what the write begins with: a replay counts them on."""
    talk = Conversation().open()
    talk.say(10, b"a" * 1460, ACK)
    talk.answer(11, b"early")
    talk.say(12, b"b" * 100)
    talk.answer(13, b"answer")
    talk.close(14)
    entries = entries_of(loaded(tmp_path, talk), 0)
    assert entries == [entry(1460, 9), entry(1560, 2, overlaps=1), entry(1560, 1, 11, 1, settle=200)]


def test_an_interim_answer_is_awaited(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"Expect: 100-continue\r\n\r\n")
    talk.answer(20, b"HTTP/1.1 100 Continue\r\n\r\n")
    talk.say(21, b"body" * 500, ACK)
    talk.answer(30, b"HTTP/1.1 200 OK\r\n\r\n")
    assert [each["expect"] for each in entries_of(loaded(tmp_path, talk), 0)] == [0, 25, 19]


def test_a_client_that_half_closes_does_not_wait_for_the_answer(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"question")
    talk.send(11, FIN | ACK, 8, 0)
    talk.answer(20, b"answer")
    assert entries_of(loaded(tmp_path, talk), 0) == [entry(8, 9), entry(8, 1, pushed=6)]


def test_a_server_that_closes_has_answered(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"question")
    talk.answer(20, b"answer")
    talk.close(25, by_client=False)
    assert entries_of(loaded(tmp_path, talk), 0)[-1] == entry(8, 5, 6, 10)


def test_a_clock_that_is_set_back_makes_no_negative_times(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(1000, b"one")
    talk.answer(500, b"answer")
    talk.say(100, b"two")
    talk.answer(50, b"answer")
    talk.close(10)
    recording = loaded(tmp_path, talk)
    assert texts_of(recording, 0) == [b"one", b"two"]
    assert recording.messages["expect"].tolist() == [0, 6, 6]
    assert (recording.messages["gap_ns"] >= 0).all()
    assert (recording.messages["answer_ns"] >= 0).all()


@pytest.mark.parametrize("sessions", [1, 3])
def test_every_session_has_its_messages_and_then_its_end(tmp_path: Path, sessions: int) -> None:
    packets = []
    for n in range(sessions):
        talk = Conversation(client_port=1000 + n).open(1000 * n)
        for turn in range(n + 1):
            talk.say(1000 * n + 10 * turn + 5, b"%d" % turn)
            talk.answer(1000 * n + 10 * turn + 7, b"answer")
        packets += talk.packets
    recording = load([write_pcap(tmp_path / "x", packets)], None)
    assert recording.sessions["messages"].tolist() == list(range(1, sessions + 1))
    assert len(recording.messages) == sum(range(2, sessions + 2))
    for n in range(sessions):
        assert texts_of(recording, n) == [b"%d" % turn for turn in range(n + 1)]
        assert entries_of(recording, n)[-1]["stream_end"] == recording.sessions["length"][n]
