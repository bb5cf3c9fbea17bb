"""The script at work: when messages leave, which answers they wait for, and what the latencies say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter, Histogram


def values(t: Transcript, histogram: Histogram) -> list[int]:
    """What a histogram has counted, microseconds, lowest value of each bucket."""
    counts = t.engine.histograms[histogram]
    listed: list[int] = []
    for index in np.flatnonzero(counts):
        bucket = max(int(index) // 1024 - 1, 0)
        listed += [(int(index) - bucket * 1024) << bucket] * int(counts[index])
    return listed


def test_the_next_message_leaves_its_gap_after_the_answers_last_byte() -> None:
    t = Transcript([Message(100), Message(200, gap_ms=20, expect=300)]).open()
    t.until(2.5)
    t.take("P.", 1, 100, at=2)
    t.until(10)
    t.give(".", 1, 101, 100)
    t.until(12)
    t.give(".", 101, 101, 100)
    t.until(17)
    t.give("P.", 201, 101, 100)
    t.until(60)
    t.drop_acknowledgements()
    t.take("P.", 101, 200, ack=301, at=37)


@pytest.mark.parametrize(("speed", "gap_ms"), [(0.5, 40), (1.0, 20), (4.0, 5), (math.inf, 0)])
def test_the_speed_divides_the_gaps_and_nothing_else(speed: float, gap_ms: float) -> None:
    t = Transcript([Message(100, gap_ms=0), Message(200, gap_ms=20, expect=300)], speed=speed).open()
    t.take("P.", 1, 100, at=1)
    t.until(10)
    t.give("P.", 1, 101, 300)
    t.until(70)
    t.drop_acknowledgements()
    t.take("P.", 101, 200, at=10 + gap_ms)


def test_messages_that_nobody_waited_for_keep_their_spacing_whatever_the_server_does() -> None:
    t = Transcript([Message(10, gap_ms=3), Message(20, gap_ms=30), Message(30, gap_ms=300)], last_gap_ms=1000).open()
    t.until(1000)
    t.take("P.", 1, 10, at=4)
    t.take("P.", 11, 20, at=34)
    assert t.count(Counter.MESSAGES_SENT) == 3


def test_one_way_messages_do_not_wait_for_their_acknowledgement() -> None:
    t = Transcript([Message(10, gap_ms=3), Message(20, gap_ms=30), Message(30, gap_ms=30)], last_gap_ms=30).open()
    t.until(130)
    t.take("P.", 1, 10, at=4)
    t.take("P.", 11, 20, at=34)
    t.take("P.", 31, 30, at=64)
    t.take("F.", 61, at=94)


def test_pipelined_requests_leave_together_and_the_third_waits_for_both_answers() -> None:
    t = Transcript([Message(10), Message(20, gap_ms=1), Message(30, gap_ms=5, expect=500)]).open()
    t.until(4)
    t.take("P.", 1, 10, at=2)
    t.take("P.", 11, 20, at=3)
    t.give("P.", 1, 11, 200)
    t.until(20)
    t.give("P.", 201, 31, 300)
    t.until(40)
    t.drop_acknowledgements()
    t.take("P.", 31, 30, at=25)
    assert t.count(Counter.MESSAGES_ANSWERED) == 1
    assert t.count(Counter.MISMATCHED) == 0


def test_an_answer_that_overtakes_a_pipelined_request_still_counts() -> None:
    t = Transcript([Message(10), Message(20, gap_ms=10), Message(30, gap_ms=5, expect=500)]).open()
    t.until(4)
    t.give("P.", 1, 11, 200)
    t.until(20)
    t.give("P.", 201, 31, 300)
    t.until(40)
    assert [int(packet["length"]) for _, packet in t.seen if packet["length"]] == [10, 20, 30]
    assert t.count(Counter.MISMATCHED) == 0


def test_a_server_that_speaks_first_is_waited_for() -> None:
    t = Transcript([Message(10, gap_ms=5, expect=80)], last_expect=20).open()
    t.quiet(100)
    t.give("P.", 1, 1, 80)
    t.until(180)
    t.take("P.", 1, 10, ack=81, at=105)
    assert t.count(Counter.MESSAGES_ANSWERED) == 0


def test_a_server_that_never_speaks_first_times_the_user_out() -> None:
    t = Transcript([Message(10, gap_ms=5, expect=80)], timeout_s=9.0).open()
    t.until(20_000)
    t.take("R.", 1, at=9001)
    t.quiet()
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_no_byte_of_the_answer_within_the_timeout_fails_the_user_and_resets_the_connection() -> None:
    t = Transcript([Message(10)], last_expect=80, timeout_s=9.0).open()
    t.until(2.5)
    t.take("P.", 1, 10)
    t.until(3)
    t.give(".", 1, 11)
    t.until(20_000)
    t.take("R.", 11, ack=1, at=9003)
    t.quiet()
    assert t.failures() == {"timeout": 1}
    assert t.count(Counter.COMPLETED) == 0
    t.balanced()


def test_bytes_that_nobody_waits_for_are_pushes_counted_and_acknowledged() -> None:
    t = Transcript([Message(10)], last_expect=80, last_gap_ms=10_000).open()
    t.until(4)
    t.give("P.", 1, 11, 80)
    t.until(100)
    t.drop()
    for number in range(3):
        t.give("P.", 81 + 100 * number, 11, 100)
        t.until(200 + 100 * number)
        t.take(".", 11, ack=181 + 100 * number)
    assert t.count(Counter.PUSHED) == 3
    assert t.count(Counter.MESSAGES_ANSWERED) == 1
    assert t.count(Counter.MISMATCHED) == 0
    assert t.count(Counter.BYTES_RECEIVED) == 380


def test_a_push_before_a_message_is_not_taken_for_its_answer() -> None:
    t = Transcript([Message(10), Message(20, gap_ms=100, expect=80)], last_expect=60, last_gap_ms=5).open()
    t.until(4)
    t.give("P.", 1, 11, 80)
    t.until(50)
    t.give("P.", 81, 11, 500)
    t.until(110)
    t.drop_acknowledgements()
    assert t.count(Counter.MESSAGES_SENT) == 2
    t.give("P.", 581, 31, 60)
    t.until(120)
    assert t.count(Counter.MISMATCHED) == 0
    assert t.count(Counter.COMPLETED) == 1


def test_a_user_is_not_complete_before_its_last_message_has_been_sent() -> None:
    """The server's window is closed: what has been due for long has still not left."""
    t = Transcript([Message(10), Message(20)], timeout_s=10.0).open(window=0, options=1)
    t.until(60_000)
    assert t.count(Counter.COMPLETED) == 0
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_the_recorded_reset_waits_until_the_last_message_has_been_sent() -> None:
    t = Transcript([Message(3000)], end=2).open(mss=1000, window=1000, options=1)
    t.until(30)
    t.take(".", 1, 1000)
    t.quiet()
    t.give(".", 1, 1001, window=65535)
    t.until(200)
    t.take(".", 1001, 1000)
    t.take("P.", 2001, 1000)
    t.take("R.", 3001)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_latency_runs_from_the_send_to_the_answers_last_byte() -> None:
    t = Transcript([Message(10)], last_expect=80, last_gap_ms=50).open()
    t.until(12)
    t.give(".", 1, 11, 40)
    t.until(22)
    t.give("P.", 41, 11, 40)
    assert values(t, Histogram.FIRST_BYTE_SERVICE) == pytest.approx([10_000], abs=200)
    assert values(t, Histogram.RESPONSE_SERVICE) == pytest.approx([20_000], abs=200)
    assert values(t, Histogram.CONNECT_SERVICE) == pytest.approx([1000], abs=1)


def test_latency_ends_at_the_capture_not_at_the_arrival_of_the_record() -> None:
    t = Transcript([Message(10)], last_expect=80, last_gap_ms=50).open()
    t.until(12)
    record = t.record("P.", 1, 11, 80)
    t.until(19)
    t.give_all(record)
    assert values(t, Histogram.RESPONSE_SERVICE) == pytest.approx([10_000], abs=200)


def test_one_stalled_answer_shows_in_every_later_intended_latency_but_once_in_the_service_times() -> None:
    """No coordinated omission: requests that should have gone out meanwhile carry the delay (wrk2)."""
    requests = [Message(10, gap_ms=9, expect=100 if index else 0, answer_ms=1 if index else 0) for index in range(10)]
    t = Transcript(requests, last_expect=100, last_gap_ms=9).open(at=0.1)
    seq = 1
    for index in range(10):
        while t.count(Counter.MESSAGES_SENT) == index:
            t.until(t.now_ms + 0.2)
        t.until(t.now_ms + (201 if index == 2 else 1))
        t.give("P.", seq, 1 + 10 * (index + 1), 100)
        seq += 100
    service, intended = values(t, Histogram.RESPONSE_SERVICE), values(t, Histogram.RESPONSE_INTENDED)
    assert sum(value > 100_000 for value in service) == 1
    assert sum(value > 190_000 for value in intended) == 8
    assert t.count(Counter.MESSAGES_ANSWERED) == 10


def test_a_server_faster_than_the_recorded_one_earns_no_credit() -> None:
    """Its answers are early by seconds, yet an intended latency is never below the service time."""
    t = Transcript([Message(10), Message(10, gap_ms=5, expect=100, answer_ms=3000)], last_expect=100).open()
    t.until(4)
    t.give("P.", 1, 11, 100)
    t.until(11)
    t.give("P.", 101, 21, 100)
    assert min(values(t, Histogram.RESPONSE_INTENDED)) >= min(values(t, Histogram.RESPONSE_SERVICE)) - 8
    assert t.count(Counter.MESSAGES_ANSWERED) == 2


def test_a_late_start_shows_in_the_intended_connect_latency() -> None:
    """The schedule does not wait: users that could not be started in time carry the delay."""
    t = Transcript([Message(10)], users=2, rate=1000.0)
    t.now_ms = 500.0
    t.until(501)
    assert values(t, Histogram.LATENESS) == pytest.approx([499_000, 500_000], abs=500)


def test_the_silence_that_ends_an_answer_of_another_size_is_no_lateness_of_ours() -> None:
    t = Transcript([Message(10), Message(10, gap_ms=5, expect=100)]).open()
    t.until(4)
    t.give("P.", 1, 11, 60)
    t.until(300)
    assert t.count(Counter.MESSAGES_SENT) == 2
    assert max(values(t, Histogram.LATENESS)) < 2_000


def test_sessions_are_dealt_out_in_their_recorded_order() -> None:
    t = Transcript([Message(10)], users=5, rate=1e6)
    t.until(5)
    assert [int(packet["row"]) for _, packet in t.seen] == [0, 1, 2, 3, 4]


def test_starts_are_evenly_spaced_at_the_rate() -> None:
    t = Transcript([Message(10)], users=20, rate=50.0)
    t.until(900)
    first = {int(packet["row"]): ms for ms, packet in reversed(t.seen)}
    assert [first[row] for row in range(20)] == pytest.approx([20 * row for row in range(20)], abs=0.3)
