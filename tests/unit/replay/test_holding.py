"""Connections held open after the last message (--hold): the server may push or close, or the user closes in time."""

from __future__ import annotations

import math

import pytest
from peer import MS, Peer, make_engine, make_script, run
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.script import End

ONE = [Message(100)]
SECOND = 1000.0
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def _holding(hold_s: float, end: int = End.CLIENT_FIN, **script: float) -> Transcript:
    """The only message left at 2 ms and was answered with 50 bytes at 4 ms, which have been acknowledged."""
    t = Transcript(ONE, end=end, last_expect=50, hold_s=hold_s, **script).open()  # type: ignore[arg-type]
    t.until(2.5)
    t.take("P.", 1, 100, ack=1)
    t.until(4)
    t.give("P.", 1, 101, 50)
    t.until(50)
    t.take(".", 101, ack=51)
    return t


def _silent(hold_s: float, *, last_expect: int = 0) -> Transcript:
    """A session in which the client never said a byte; connected at 1 ms."""
    return Transcript([], last_expect=last_expect, hold_s=hold_s).open()


@pytest.mark.parametrize("end", [end for end in End if end != End.HELD])
def test_the_user_closes_when_the_hold_is_over_however_the_recording_ended(end: End) -> None:
    t = _holding(10, end)
    t.quiet(10_003.9)
    t.until(10_005)
    t.take("F.", 101, ack=51, at=10_004)
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.quiet(200_000)
    t.balanced()


def test_the_hold_is_in_real_seconds_whatever_the_speed() -> None:
    t = _holding(10, speed=1000.0)
    t.until(11_000)
    t.take("F.", 101, at=10_004)


def test_a_hold_forever_waits_until_the_server_closes() -> None:
    t = _holding(math.inf, End.SERVER_FIN)
    t.quiet(HOUR)
    t.give("F.", 51, 101)
    t.take("F.", 101, ack=52)
    t.give(".", 52, 102)
    t.quiet(HOUR + 1000)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


@pytest.mark.parametrize("last_expect", [0, 300])
def test_a_session_without_a_message_connects_holds_and_closes(last_expect: int) -> None:
    """Also where the recorded server spoke: whether it pushes again is its own affair, and nobody times out."""
    t = _silent(200, last_expect=last_expect)
    assert t.count(Counter.COMPLETED) == 1
    t.quiet(200_000.9)
    t.until(200_002)
    t.take("F.", 1, ack=1, at=200_001)
    t.give("F.", 1, 2)
    t.take(".", 2, ack=2)
    t.quiet(300_000)
    assert t.count(Counter.MESSAGES_SENT) == t.count(Counter.MESSAGES_ANSWERED) == 0
    t.balanced()


@pytest.mark.parametrize("end", [End.CLIENT_FIN, End.SERVER_FIN])
def test_a_server_that_closes_during_the_hold_ends_a_completed_user(end: End) -> None:
    t = _holding(10, end)
    t.until(5000)
    t.give("F.", 51, 101)
    t.take("F.", 101, ack=52, at=5000)
    t.give(".", 52, 102)
    t.quiet(20_000)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


@pytest.mark.parametrize("flags", ["R", "R."])
def test_a_server_that_resets_during_the_hold_ends_a_completed_user(flags: str) -> None:
    t = _holding(10)
    t.until(5000)
    t.give(flags, 51, 101)
    t.quiet(20_000)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_what_the_server_pushes_meanwhile_is_acknowledged_and_counted() -> None:
    t = _holding(10)
    t.until(3000)
    t.give("P.", 51, 101, 700)
    t.until(3050)
    t.take(".", 101, ack=751, at=3040)
    t.give(".", 751, 101, 1460)
    t.give("P.", 2211, 101, 40)
    t.take(".", 101, ack=2251, at=3050)
    assert t.count(Counter.PUSHED) == 2
    assert t.count(Counter.BYTES_RECEIVED) == 2250
    assert t.count(Counter.MESSAGES_ANSWERED) == 1
    assert t.count(Counter.MISMATCHED) == 0
    t.until(11_000)
    t.take("F.", 101, ack=2251, at=10_004)


def test_a_push_to_a_silent_user_is_counted_too() -> None:
    t = _silent(10, last_expect=300)
    t.until(500)
    t.give("P.", 1, 1, 300)
    t.until(600)
    t.take(".", 1, ack=301, at=540)
    t.quiet(10_000)
    assert t.count(Counter.PUSHED) == 1
    t.until(10_002)
    t.take("F.", 1, at=10_001)


def test_a_keep_alive_probe_is_answered_during_the_hold() -> None:
    """The server's segment of no or one old byte just before RCV.NXT."""
    t = _holding(3600)
    for minute in range(1, 4):
        t.until(minute * 60_000)
        t.give(".", 50, 101, minute % 2)
        t.take(".", 101, ack=51, at=minute * 60_000)
    t.quiet(240_000)
    assert t.count(Counter.PUSHED) == 0
    assert t.count(Counter.ACTIVE) == 1


@pytest.mark.parametrize("hold_ms", [3 * HOUR, 2**32 / 1000, 2**31 / 1000 - 4])
def test_a_hold_of_hours_is_kept_to_the_tick(hold_ms: float) -> None:
    t = _holding(hold_ms / 1000)
    t.quiet(hold_ms + 3.9)
    t.until(hold_ms + 5)
    t.take("F.", 101, at=hold_ms + 4)


def test_a_hold_of_more_hops_than_a_row_can_count_is_kept() -> None:
    """A row counts 255 hops, which are three days and four hours."""
    t = _silent(4 * 86_400)
    t.quiet(4 * DAY + 0.9)
    t.until(4 * DAY + 2)
    t.take("F.", 1, at=4 * DAY + 1)


def test_a_holding_user_has_completed_and_is_active() -> None:
    t = _holding(10)
    assert t.count(Counter.COMPLETED) == t.count(Counter.SESSIONS_COMPLETED) == 1
    assert t.count(Counter.ACTIVE) == t.count(Counter.PEAK_ACTIVE) == 1
    assert not t.engine.finished
    t.until(10_005)
    t.give("F.", 51, 102)
    assert t.count(Counter.ACTIVE) == 0
    assert t.engine.finished


def test_a_user_whose_answer_is_to_come_has_not_completed_yet() -> None:
    t = Transcript(ONE, last_expect=50, hold_s=10.0).open()
    t.until(1000)
    assert t.count(Counter.COMPLETED) == 0
    t.until(100_000)
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_a_close_before_the_answer_is_an_early_close_with_a_hold_too() -> None:
    t = Transcript(ONE, last_expect=50, hold_s=10.0).open()
    t.until(4)
    t.give("F.", 1, 101)
    assert t.failures() == {"early_close": 1}


def test_a_last_message_that_nobody_answers_completes_its_user_when_it_has_left() -> None:
    t = Transcript(ONE, hold_s=10.0).open()
    assert t.count(Counter.COMPLETED) == 0
    t.until(2.5)
    t.take("P.", 1, 100)
    assert t.count(Counter.COMPLETED) == 1
    t.give(".", 1, 101)
    t.quiet(10_001.9)
    t.until(10_003)
    t.take("F.", 101, at=10_002)


def test_the_hold_begins_when_the_window_has_let_the_last_byte_go() -> None:
    t = Transcript([Message(300)], hold_s=10.0).open(window=100, options=1)
    t.until(2.5)
    t.take(".", 1, 100)
    assert t.count(Counter.COMPLETED) == 0
    t.until(200)
    t.give(".", 1, 101, window=1000)
    t.take("P.", 101, 200, at=200)
    assert t.count(Counter.COMPLETED) == 1
    t.give(".", 1, 301)
    t.quiet(10_199)
    t.until(10_201)
    t.take("F.", 301, at=10_200)


def test_a_last_message_that_the_window_never_lets_go_times_out_before_the_hold() -> None:
    t = Transcript([Message(300)], hold_s=3600.0, timeout_s=5.0).open(window=100, options=1)
    t.until(2.5)
    t.give(".", 1, 101, window=0)
    t.until(6000)
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_a_session_between_messages_is_closed_early_by_the_server_with_a_hold_too() -> None:
    t = Transcript([Message(100), Message(100, gap_ms=5000)], hold_s=3600.0).open()
    t.until(1000)
    t.give("F.", 1, 101)
    assert t.failures() == {"early_close": 1}


@pytest.mark.parametrize("hold_s", [10.0, math.inf])
def test_an_interrupted_hold_is_reset_and_its_user_stays_completed(hold_s: float) -> None:
    t = _holding(hold_s)
    t.until(1000)
    packets, done = t.engine.abort(1000 * 1_000_000)
    assert done
    assert [int(packet["flags"]) for packet in packets] == [4 | 16]
    assert t.count(Counter.COMPLETED) == 1
    assert t.failures() == {}
    t.balanced()


def test_a_server_that_does_not_close_after_the_hold_is_reset_after_the_timeout() -> None:
    t = _holding(10, timeout_s=20.0)
    t.until(10_005)
    t.take("F.", 101)
    t.give(".", 51, 102)
    t.quiet(30_003.9)
    t.until(30_005)
    t.take("R.", 102, at=30_004)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


@pytest.mark.parametrize(("until_ms", "active"), [(500, 20), (3000, 0)])
def test_users_are_active_until_their_hold_is_over(until_ms: int, active: int) -> None:
    script = make_script(ONE, last_expect=50, hold_s=1.0)
    engine = make_engine(script, users=20)
    run(engine, Peer(lambda _received, _length: 50), script, until_ns=until_ms * MS)
    assert engine.counters[Counter.COMPLETED] == engine.counters[Counter.PEAK_ACTIVE] == 20
    assert engine.counters[Counter.ACTIVE] == active
    assert engine.finished == (active == 0)
