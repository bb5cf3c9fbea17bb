"""What a message waited for: the bytes that it acknowledges, wherever the capture was made."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from conversations import ACK, FIN, MS, PSH, RST, Conversation, entries_of, heads_of, texts_of, write_pcap
from hypothesis import given, settings
from hypothesis import strategies as st

from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import Recording, Rules


def loaded(tmp_path: Path, talk: Conversation, rules: Rules | None = None) -> Recording:
    return load([write_pcap(tmp_path / "x", talk.packets)], None, rules or Rules())


def told(recording: Recording) -> list[tuple[int, float, int, int]]:
    """Of each entry: what is waited for, the gap in milliseconds, what is pushed, and whether it overlaps."""
    return [
        (each["expect"], round(each["gap_ns"] / MS, 3), each["pushed"], each["overlaps"])
        for each in entries_of(recording, 0)
    ]


def at_the_server(isn: int = 900_000) -> Conversation:
    """A client 20 ms away asks every 5 ms, without waiting; each answer passes the server's tap 0.1 ms later."""
    talk = Conversation(server_isn=isn).open(rtt_ms=0.1)
    for n in range(8):
        talk.send(30 + 5 * n, PSH | ACK, 3 * n, 7 * max(n - 3, 0), b"%03d" % n)
        talk.said += 3
        talk.answer(30.1 + 5 * n, b"answer%d" % n)
    return talk


@pytest.mark.parametrize("isn", [900_000, 2**32 - 10])
def test_a_client_that_had_seen_no_answer_did_not_wait_for_one(tmp_path: Path, isn: int) -> None:
    talk = at_the_server(isn)
    talk.close(200)
    found = loaded(tmp_path, talk, Rules(answer_bytes=9))
    assert told(found) == [(0, 29.9, 0, 0)] + [(0, 5, 0, 1)] * 3 + [(7, 5, 0, 1)] * 4 + [(28, 134.9, 0, 0)]
    assert heads_of(found, 0) == [b""] * 4 + [b"answer%d" % n for n in range(4)] + [b"answer4an"]


def test_answers_that_the_close_does_not_acknowledge_are_not_awaited(tmp_path: Path) -> None:
    talk = at_the_server()
    talk.send(66, FIN | ACK, talk.said, 28)
    assert told(loaded(tmp_path, talk))[-1] == (0, 1, 28, 0)


def test_a_reset_without_an_acknowledgement_has_waited_for_what_came(tmp_path: Path) -> None:
    talk = at_the_server()
    talk.send(66, RST, talk.said, None)
    assert told(loaded(tmp_path, talk))[-1] == (28, 0.9, 0, 0)


def test_answers_of_a_capture_that_stops_are_awaited(tmp_path: Path) -> None:
    assert told(loaded(tmp_path, at_the_server()))[-1] == (28, 0, 0, 0)


def test_a_segment_of_several_answers_is_awaited_in_parts(tmp_path: Path) -> None:
    """Segmentation offload makes one of them at a server's tap; the client acknowledges what reaches it."""
    talk = Conversation().open()
    talk.say(10, b"one")
    talk.send(12, PSH | ACK, 3, 0, b"two")
    talk.send(13, PSH | ACK, 0, 6, b"answeranswer", from_client=False)
    talk.send(20, PSH | ACK, 6, 6, b"three")
    talk.send(21, PSH | ACK, 12, 11, b"answer", from_client=False)
    talk.send(30, PSH | ACK, 11, 18, b"four")
    talk.send(31, ACK, 15, 18)
    assert told(loaded(tmp_path, talk)) == [
        (0, 9, 0, 0),
        (0, 2, 0, 0),
        (6, 7, 0, 1),
        (12, 9, 0, 0),
        (0, 0, 0, 0),
    ]


def test_the_first_copy_of_a_message_says_what_its_writer_had_seen(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"one")
    talk.answer(11, b"answer")
    talk.send(12, PSH | ACK, 3, 0, b"two")
    talk.send(300, PSH | ACK, 3, 6, b"two")
    talk.send(400, PSH | ACK, 6, 6, b"three")
    assert told(loaded(tmp_path, talk)) == [(0, 9, 0, 0), (0, 2, 0, 1), (6, 388, 0, 0), (0, 0, 0, 0)]


def test_a_message_that_was_captured_late_waited_for_no_more_than_it_says(tmp_path: Path) -> None:
    """And one that was sent again behind its successor for no more than that says."""
    talk = Conversation().open()
    talk.say(10, b"one")
    talk.answer(11, b"answer")
    talk.send(12, PSH | ACK, 6, 6, b"three")
    talk.send(13, PSH | ACK, 3, 0, b"two")
    talk.answer(14, b"answer")
    talk.send(15, PSH | ACK, 14, 6, b"five")
    talk.send(300, PSH | ACK, 11, 12, b"4th")
    talk.send(301, ACK, 18, 12)
    found = loaded(tmp_path, talk)
    assert texts_of(found, 0) == [b"one", b"two", b"three", b"4th", b"five"]
    assert [expect for expect, _, _, _ in told(found)] == [0, 0, 6, 0, 0, 6]


def test_one_write_is_one_message_when_answers_arrive_unseen_between_its_segments(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"a" * 1460, ACK)
    talk.answer(11, b"answer")
    talk.send(12, PSH | ACK, 1460, 0, b"b")
    talk.send(30, PSH | ACK, 1461, 6, b"next")
    found = loaded(tmp_path, talk)
    assert told(found) == [(0, 9, 0, 0), (6, 18, 0, 0), (0, 0, 0, 0)]
    assert texts_of(found, 0) == [b"a" * 1460 + b"b", b"next"]


def test_a_push_that_is_on_its_way_is_no_answer_to_what_follows(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"subscribe")
    talk.answer(11, b"ok")
    talk.answer(5000, b"news")
    talk.send(5001, PSH | ACK, 9, 2, b"ping")
    talk.said += 4
    talk.answer(5002, b"pong")
    talk.say(5010, b"bye")
    assert told(loaded(tmp_path, talk))[1:3] == [(2, 4990, 4, 0), (4, 8, 0, 0)]


def test_a_pause_between_answers_that_overlap_with_messages_is_one_that_settling_outlasts(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"one")
    talk.answer(11, b"answer")
    talk.send(15, PSH | ACK, 3, 0, b"two")
    talk.answer(815, b"answer")
    talk.say(820, b"three")
    assert entries_of(loaded(tmp_path, talk), 0)[2]["settle_ns"] == 2 * 804 * MS


@pytest.mark.parametrize("ack", [-(2**30), -1, 0])
def test_acknowledgements_that_mean_nothing_hide_no_answer(tmp_path: Path, ack: int) -> None:
    """Of a tool that wrote the same number into every packet; answers are awaited as they come."""
    talk = Conversation().open()
    for n in range(3):
        talk.send(10 + 10 * n, PSH | ACK, n, ack, b"q")
        talk.answer(15 + 10 * n, b"answer")
    assert [expect for expect, _, _, _ in told(loaded(tmp_path, talk))] == [0, 6, 6, 6]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_capture_at_either_end_tells_the_same_waits(data: st.DataObject) -> None:
    """The reference: what had reached the client when it wrote each message; the path takes the same time each way."""
    draw = data.draw
    delay = draw(st.sampled_from([0.03, 5.0, 40.0]))
    at, asked = 2 * delay, []
    for _ in range(draw(st.integers(1, 12))):
        at += draw(st.sampled_from([0.01, 1.0, 7.0, 30.0, 150.0])) + 0.001
        asked.append((at, draw(st.integers(1, 50))))
    answers, ready = [], 0.0
    for asked_at, _ in asked:
        ready = max(ready, asked_at + delay) + draw(st.sampled_from([0.002, 2.0, 60.0]))
        answers.append((ready, draw(st.integers(0, 60))))
    closed = max(asked[-1][0], ready + delay) + 1.0007
    seen = [sum(size for left, size in answers if left + delay <= when) for when, _ in [*asked, (closed, 0)]]
    isn = draw(st.sampled_from([7, 2**32 - 40]))
    for tap in (0.0, delay):
        talk = Conversation(server_isn=isn).open(0, 2 * delay - tap)
        events = [(when + tap, True, size, seen[n]) for n, (when, size) in enumerate(asked)]
        events += [(when + delay - tap, False, size, 0) for when, size in answers if size]
        for when, from_client, size, acknowledged in sorted(events):
            if from_client:
                talk.send(when, PSH | ACK, talk.said, acknowledged, bytes(size))
                talk.said += size
            else:
                talk.answer(when, bytes(size))
        talk.close(closed + tap)
        with tempfile.TemporaryDirectory() as folder:
            found = entries_of(loaded(Path(folder), talk), 0)
        assert [each["expect"] for each in found] == [
            after - before for before, after in zip([0, *seen], seen, strict=False)
        ]
        assert not any(each["pushed"] for each in found)
