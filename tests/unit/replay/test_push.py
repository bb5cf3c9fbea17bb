"""Push: every message leaves at its recorded time, whatever the server does; what it answers is counted and timed."""

from __future__ import annotations

import numpy as np
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter, Histogram, Histograms

BEATS = [Message(10), Message(20, gap_ms=900, expect=50, answer_ms=100), Message(30, gap_ms=1000)]


def noted(t: Transcript, histogram: Histogram) -> int:
    rows: Histograms = t.engine.histograms
    return int(np.sum(rows[histogram]))


def test_messages_leave_on_time_although_nothing_is_answered() -> None:
    t = Transcript(BEATS, push=True).open()
    for at, seq, length in ((2, 1, 10), (1002, 11, 20), (2002, 31, 30)):
        t.until(at + 1)
        t.take("P.", seq, length, at=at)
        t.give(".", 1, seq + length)
    t.until(2004)
    t.take("F.", 61)
    assert (t.count(Counter.COMPLETED), t.count(Counter.MESSAGES_ANSWERED)) == (1, 0)
    assert t.failures() == {}


def test_times_are_divided_by_the_speed_the_recorded_answers_included() -> None:
    t = Transcript(BEATS, push=True, speed=10.0).open()
    t.until(102)
    t.take("P.", 1, 10)
    t.take("P.", 11, 20, at=101.1)


def test_an_answer_is_counted_and_timed_and_delays_nothing() -> None:
    t = Transcript(BEATS, push=True).open()
    t.until(3)
    t.take("P.", 1, 10, at=2)
    t.give(".", 1, 11)
    t.until(700)
    t.give("P.", 1, 11, 50)
    t.until(1003)
    t.drop_acknowledgements()
    t.take("P.", 11, 20, at=1002)
    assert (t.count(Counter.MESSAGES_ANSWERED), t.count(Counter.PUSHED)) == (1, 0)
    assert noted(t, Histogram.RESPONSE_SERVICE) == noted(t, Histogram.FIRST_BYTE_SERVICE) == 1


def test_what_nobody_waited_for_in_the_recording_is_a_push_of_any_size_at_any_time() -> None:
    t = Transcript(BEATS, push=True).open()
    t.until(3)
    t.drop()
    t.give("P.", 1, 11, 50)
    for k in range(5):
        t.until(100 + 100 * k)
        t.give("P.", 51 + 4000 * k, 11, 4000)
    t.until(990)
    assert (t.count(Counter.MESSAGES_ANSWERED), t.count(Counter.PUSHED)) == (1, 5)
    assert t.count(Counter.BYTES_RECEIVED) == 20_050
    acknowledged = [(int(packet["ack"]) - t.server_isn) & 0xFFFFFFFF for _, packet in t.seen]
    assert acknowledged[-1] == 20_051


def test_a_user_that_hears_pushes_all_the_time_still_speaks_on_time() -> None:
    t = Transcript([Message(10), Message(5, gap_ms=3000)], push=True, hold_s=10.0).open()
    t.until(3)
    t.take("P.", 1, 10)
    for k in range(29):
        t.until(100 + 100 * k)
        t.give("P.", 1 + 100 * k, 11, 100)
    t.drop()
    t.until(3003)
    t.drop_acknowledgements()
    t.take("P.", 11, 5, at=3002)


def test_answers_that_never_come_are_missing_and_a_silent_server_holds_up_no_end() -> None:
    """The server acknowledges and says nothing, not even its FIN, when the run's time is over."""
    t = Transcript([Message(10), Message(5, gap_ms=1000, expect=50)], push=True, last_expect=70, duration_s=2.0).open()
    t.until(3)
    t.give(".", 1, 11)
    t.until(1004)
    t.give(".", 1, 16)
    t.until(2500)
    t.drop_acknowledgements()
    t.give(".", 1, 17)
    assert not t.engine.finished
    t.until(8000)
    assert t.engine.finished
    assert (t.count(Counter.AWAITED), t.count(Counter.MESSAGES_ANSWERED)) == (2, 0)
