"""Answers of another length than recorded: how much silence ends them (design, section 6; exchange._settle)."""

from __future__ import annotations

from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter


def _asked(answer: int, gap_ms: float = 5) -> Transcript:
    """A request has left at 2 ms, and an answer of that size was recorded; the next message follows it."""
    t = Transcript([Message(100), Message(50, gap_ms=gap_ms, expect=answer)], last_expect=10).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    return t


def _next_message_at(t: Transcript) -> float:
    """When the second message leaves."""
    while t.count(Counter.MESSAGES_SENT) < 2:
        assert t.now_ms < 100_000, "it never leaves"
        t.until(t.now_ms + 1)
    return next(ms for ms, packet in t.seen if packet["length"])


def test_a_shorter_answer_with_push_counts_after_the_settle_time_from_its_last_byte() -> None:
    t = _asked(300)
    t.until(10)
    t.give("P.", 1, 101, 120)
    assert 210 <= _next_message_at(t) <= 211
    assert t.count(Counter.MISMATCHED) == 1
    assert t.count(Counter.MESSAGES_ANSWERED) == 1


def test_a_gap_longer_than_the_settle_time_runs_from_the_last_byte_too() -> None:
    t = _asked(300, gap_ms=1000)
    t.until(10)
    t.give("P.", 1, 101, 120)
    assert 1010 <= _next_message_at(t) <= 1011


def test_more_bytes_begin_the_settle_time_anew() -> None:
    t = _asked(300)
    t.until(10)
    t.give("P.", 1, 101, 100)
    t.until(150)
    t.give("P.", 101, 101, 100)
    assert 350 <= _next_message_at(t) <= 351


def test_an_answer_that_grows_to_its_recorded_size_needs_no_settling() -> None:
    t = _asked(300)
    t.until(10)
    t.give("P.", 1, 101, 100)
    t.until(150)
    t.give("P.", 101, 101, 200)
    assert 155 <= _next_message_at(t) <= 156
    assert t.count(Counter.MISMATCHED) == 0


def test_a_longer_answer_ends_with_the_push_that_completes_it() -> None:
    t = _asked(300)
    t.until(10)
    t.give(".", 1, 101, 1460)
    t.give("P.", 1461, 101, 700)
    assert 15 <= _next_message_at(t) <= 16
    assert t.count(Counter.MISMATCHED) == 1


def test_enough_bytes_without_push_are_not_the_end() -> None:
    t = _asked(300)
    t.until(10)
    t.give(".", 1, 101, 1460)
    t.until(900)
    assert t.count(Counter.MESSAGES_SENT) == 1
    t.give("P.", 1461, 101, 100)
    assert 905 <= _next_message_at(t) <= 906


def test_silence_without_push_is_a_loss_that_the_servers_retransmissions_may_heal() -> None:
    """Linux's first five retransmissions take 6.2 s after the last segment."""
    t = _asked(300)
    t.until(10)
    t.give(".", 1, 101, 300)
    assert 7010 <= _next_message_at(t) <= 7016


def test_where_recorded_bytes_are_lacking_it_may_take_its_seventh() -> None:
    """They take 25.4 s, and more where the server has measured a long round trip."""
    t = _asked(300)
    t.until(10)
    t.give(".", 1, 101, 200)
    assert 26_010 <= _next_message_at(t) <= 26_032
    assert t.count(Counter.MISMATCHED) == 1


def test_lacking_bytes_are_awaited_no_longer_than_an_answer() -> None:
    t = Transcript([Message(100)], last_expect=300, timeout_s=10.0).open()
    t.until(4)
    t.give(".", 1, 101, 200)
    t.until(10_000)
    assert t.count(Counter.MESSAGES_ANSWERED) == 0
    t.until(10_100)
    assert t.count(Counter.MESSAGES_ANSWERED) == t.count(Counter.MISMATCHED) == 1


def test_a_full_segment_with_push_is_no_end_of_an_answer_that_lacks_bytes() -> None:
    """Linux sets PSH at every half of the largest window; seen at 10 % loss: the next segment came 3.1 s later."""
    t = Transcript([Message(100), Message(50, gap_ms=5, expect=41_000)], last_expect=10).open(mss=1460, options=1)
    t.until(2.5)
    t.take("P.", 1, 100)
    for part in range(21):
        t.give("P." if part == 20 else ".", 1 + 1460 * part, 101, 1460)
    t.until(6000)
    assert t.count(Counter.MESSAGES_SENT) == 1
    t.give("P.", 1 + 1460 * 21, 101, 41_000 - 1460 * 21)
    assert 6005 <= _next_message_at(t) <= 6006
    assert t.count(Counter.MISMATCHED) == 0


def test_a_shorter_answer_of_many_flights_gets_more_time() -> None:
    """It may have stopped between two writes, or lost the end of a flight."""
    t = _asked(50_000)
    t.until(10)
    for part in range(2):
        t.give("P.", 1 + 14_600 * part, 101, 14_600)
    assert 2010 <= _next_message_at(t) <= 2016


def test_an_answer_with_a_hole_is_not_over_however_long_it_is_silent() -> None:
    t = _asked(10_000)
    t.until(10)
    t.give("P.", 1, 101, 1460)
    t.give("P.", 2921, 101, 1460)
    t.until(20_000)
    assert t.count(Counter.MESSAGES_SENT) == 1
    t.give("P.", 1461, 101, 1460)
    t.until(20_100)
    t.give("P.", 4381, 101, 5620)
    _next_message_at(t)
    assert t.count(Counter.MISMATCHED) == 0


def test_a_filled_hole_does_not_end_an_answer_that_is_still_short() -> None:
    """Whether the kept segment carried PSH is forgotten, and more was lost behind it: retransmissions have time."""
    t = _asked(10_000)
    t.until(10)
    t.give(".", 1461, 101, 1460)
    t.give(".", 1, 101, 1460)
    t.until(7000)
    assert t.count(Counter.MESSAGES_SENT) == 1
    t.give("P.", 2921, 101, 7080)
    _next_message_at(t)
    assert t.count(Counter.MISMATCHED) == 0


def test_a_filled_hole_completes_an_answer_of_the_recorded_size() -> None:
    t = _asked(4380)
    t.until(10)
    t.give("P.", 1461, 101, 2920)
    t.give(".", 1, 101, 1460)
    assert 15 <= _next_message_at(t) <= 16


def test_a_hole_that_is_never_filled_times_the_user_out() -> None:
    t = _asked(10_000)
    t.until(10)
    t.give("P.", 1, 101, 1460)
    t.give("P.", 2921, 101, 1460)
    t.until(200_000)
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_the_timeout_is_no_limit_to_an_answer_that_keeps_coming() -> None:
    t = Transcript([Message(100)], last_expect=100_000, timeout_s=2.0).open()
    t.until(4)
    for part in range(50):
        t.give(".", 1 + 1000 * part, 101, 1000)
        t.until(t.now_ms + 1500)
    assert t.failures() == {}
    assert t.count(Counter.MESSAGES_ANSWERED) == 0
