"""The end of a connection: FIN in every order, as the recorded session ended, and what follows the end."""

from __future__ import annotations

import pytest
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.script import End

ONE = [Message(100)]


def _sent(end: int = End.CLIENT_FIN, **script: float) -> Transcript:
    """The only message has been sent at 2 ms and awaits 50 bytes of answer."""
    t = Transcript(ONE, end=end, last_expect=50, last_gap_ms=3, **script).open()  # type: ignore[arg-type]
    t.until(2.5)
    t.take("P.", 1, 100, ack=1)
    return t


def _answered(end: int = End.CLIENT_FIN) -> Transcript:
    """And has been answered at 4 ms."""
    t = _sent(end)
    t.until(4)
    t.give("P.", 1, 101, 50)
    return t


def test_client_first_fin_then_acknowledgement_then_the_servers_fin() -> None:
    t = _answered()
    t.until(10)
    t.take("F.", 101, ack=51, at=7)
    t.give(".", 51, 102)
    t.quiet(20)
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.quiet(200_000)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_client_first_one_segment_acknowledges_and_closes() -> None:
    t = _answered()
    t.until(10)
    t.take("F.", 101)
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.quiet(200_000)
    t.balanced()


def test_both_close_at_the_same_time() -> None:
    t = _answered()
    t.until(10)
    t.take("F.", 101, ack=51)
    t.give("F.", 51, 101)
    t.take(".", 102, ack=52)
    assert not t.engine.finished
    t.give(".", 52, 102)
    t.quiet(200_000)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_server_first_when_the_recorded_server_closed_first() -> None:
    t = _answered(End.SERVER_FIN)
    t.until(30)
    t.drop()  # the delayed acknowledgement may have gone
    t.give("F.", 51, 101)
    t.take("F.", 101, ack=52, at=30)
    t.give(".", 52, 102)
    t.quiet(200_000)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_a_server_that_closed_first_in_the_recording_and_does_not_now_is_closed_after_five_seconds_more() -> None:
    t = _answered(End.SERVER_FIN)
    t.until(4990)
    t.take(".", 101, ack=51)
    t.quiet()
    t.until(5020)
    t.take("F.", 101, at=5007)


def test_a_patient_user_whom_the_server_never_closed_has_completed() -> None:
    """Every message was sent and nobody waited for an answer: a FIN instead of patience is no failure."""
    t = Transcript(ONE, end=End.SERVER_FIN, timeout_s=20.0).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    t.give(".", 1, 101)
    t.until(6000)
    t.take("F.", 101)
    t.give(".", 1, 102)
    t.until(100_000)
    assert t.failures() == {}
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_the_fin_carries_the_acknowledgement_of_data_that_came_with_the_servers_fin() -> None:
    t = _sent(End.SERVER_FIN)
    t.until(4)
    t.give("FP.", 1, 101, 50)
    t.take("F.", 101, ack=52, at=4)
    t.quiet()
    assert t.count(Counter.MESSAGES_ANSWERED) == 1
    assert t.count(Counter.COMPLETED) == 1


def test_a_fin_ends_an_answer_that_is_shorter_than_recorded() -> None:
    t = _sent(End.SERVER_FIN)
    t.until(4)
    t.give("F.", 1, 101, 20)
    t.take("F.", 101, ack=22)
    t.give(".", 22, 102)
    t.quiet(200_000)
    assert t.count(Counter.COMPLETED) == 1
    assert t.count(Counter.MISMATCHED) == 1
    t.balanced()


def test_a_close_before_the_answer_is_an_early_close() -> None:
    t = _sent()
    t.until(4)
    t.give("F.", 1, 101)
    t.take("F.", 101, ack=2)
    t.give(".", 2, 102)
    t.quiet(200_000)
    assert t.failures() == {"early_close": 1}
    t.balanced()


def test_a_close_with_messages_left_is_an_early_close_and_nothing_more_is_sent() -> None:
    t = Transcript([Message(100), Message(100, gap_ms=50, expect=10)]).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    t.until(4)
    t.give("FP.", 1, 101, 10)
    t.take("F.", 101, ack=12)
    t.give(".", 12, 102)
    t.quiet(200_000)
    assert t.failures() == {"early_close": 1}
    assert t.count(Counter.MESSAGES_SENT) == 1
    t.balanced()


def test_another_answer_than_recorded_is_judged_when_the_server_closes_behind_it() -> None:
    """nginx closes behind a 500: every answer is wrong, and none is missing."""
    t = Transcript([Message(100), Message(100, gap_ms=50, expect=30)]).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    t.until(4)
    t.give("P.", 1, 101, 10)
    t.give("F.", 11, 101)
    assert [t.count(counter) for counter in (Counter.AWAITED, Counter.MESSAGES_ANSWERED)] == [1, 1]
    assert [t.count(counter) for counter in (Counter.MISMATCHED, Counter.OTHER_SIZE)] == [1, 1]
    assert t.failures() == {"early_close": 1}


def test_a_close_right_after_the_handshake_is_an_early_close() -> None:
    t = Transcript([Message(100, gap_ms=50)]).open()
    t.give("F.", 1, 1)
    t.take("F.", 1, ack=2)
    t.give(".", 2, 2)
    t.quiet(1000)
    assert t.failures() == {"early_close": 1}
    t.balanced()


def test_data_on_the_way_when_the_server_closes_is_retransmitted_before_our_fin_is_acknowledged() -> None:
    t = _sent()
    t.until(4)
    t.give("F.", 1, 1)  # it has not seen the message
    t.take("F.", 101, ack=2)
    t.until(300)
    t.take("P.", 1, 100, ack=2)
    t.drop()  # the FIN may follow at once
    t.give(".", 2, 102)
    t.quiet(5000)
    t.balanced()


def test_the_recorded_clients_reset_is_a_reset_that_the_server_accepts() -> None:
    t = _answered(End.CLIENT_RST)
    t.until(10)
    t.take("R.", 101, ack=51, at=7)
    t.quiet(200_000)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_a_recording_without_an_end_is_closed_by_the_user() -> None:
    t = _answered(End.NONE)
    t.until(10)
    t.take("F.", 101)


def test_an_unacknowledged_fin_is_retransmitted() -> None:
    t = _answered()
    t.until(10)
    t.take("F.", 101, at=7)
    t.until(1000)
    t.take("F.", 101, ack=51)
    assert t.count(Counter.RETRANSMITTED) >= 1


def test_data_after_our_fin_is_still_acknowledged() -> None:
    """FIN_WAIT_2 receives: only our half is closed."""
    t = _answered()
    t.until(10)
    t.take("F.", 101)
    t.give(".", 51, 102)
    t.give("P.", 51, 102, 1000)
    t.until(60)
    t.take(".", 102, ack=1051, at=50)
    t.give("F.", 1051, 102)
    t.take(".", 102, ack=1052)
    t.balanced()


def test_a_server_that_never_closes_is_reset_after_the_timeout_and_the_user_has_completed() -> None:
    t = _answered()
    t.until(10)
    t.take("F.", 101, at=7)
    t.give(".", 51, 102)
    t.quiet(75_000)
    t.until(76_000)
    t.take("R.", 102, at=75_007)
    assert t.count(Counter.COMPLETED) == 1
    assert t.failures() == {}
    t.balanced()


def test_a_repeated_fin_is_acknowledged_again_in_time_wait() -> None:
    t = _answered()
    t.until(10)
    t.take("F.", 101)
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.until(300)
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52, at=300)
    t.balanced()


@pytest.mark.parametrize(
    ("flags", "seq", "length"), [("P.", 51, 10), (".", 1, 50), (".", 61, 0), ("S.", 0, 0), ("P.", 62, 10)]
)
def test_in_time_wait_everything_that_comes_again_is_acknowledged(flags: str, seq: int, length: int) -> None:
    """Our acknowledgement of the last data and the FIN was lost: the server begins again with the data."""
    t = _answered()
    t.until(10)
    t.take("F.", 101)
    t.give("P.", 51, 102, 10)
    t.give("F.", 61, 102)
    t.drop()
    t.give(flags, seq, 102, length)
    t.take(".", 102, ack=62)
    t.give(".", 62, 102)
    t.quiet(1000)


def test_a_reset_ends_time_wait_only_exactly_at_the_next_number() -> None:
    """RFC 9293, 3.10.7.4, second."""
    t = _answered()
    t.until(10)
    t.take("F.", 101)
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.give("R.", 53, 102)
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.give("R.", 52, 102)
    t.give("F.", 51, 102)
    t.take("R", 102)
    t.balanced()


def test_a_closed_user_answers_with_a_reset_but_never_answers_a_reset() -> None:
    t = _answered(End.CLIENT_RST)
    t.until(10)
    t.take("R.", 101)
    t.give(".", 51, 101)
    t.take("R", 101)
    t.give("R.", 51, 101)
    t.give("R", 51, 0)
    t.quiet(1000)


def test_a_fin_beyond_missing_data_waits_for_it_and_is_answered_by_a_duplicate_acknowledgement() -> None:
    """RFC 5681, 4.2: what comes out of order is acknowledged at once, also a bare FIN."""
    t = _sent(End.SERVER_FIN)
    t.until(4)
    t.give("F.", 51, 101)
    t.take(".", 101, ack=1, at=4)
    t.give("P.", 1, 101, 50)
    t.drop()
    t.until(8)
    t.give("F.", 51, 101)
    t.take("F.", 101, ack=52)


def test_data_after_the_servers_fin_is_ignored() -> None:
    """RFC 9293, 3.10.7.4, seventh: a FIN has been received, so ignore the segment's text."""
    t = _sent(End.SERVER_FIN)
    t.until(4)
    t.give("FP.", 1, 101, 50)
    t.take("F.", 101, ack=52)
    t.give("P.", 52, 101, 10)
    t.until(100)
    assert all((int(packet["ack"]) - t.server_isn) <= 52 for _, packet in t.seen)
    assert t.count(Counter.BYTES_RECEIVED) == 50


@pytest.mark.parametrize("end", [End.CLIENT_FIN, End.CLIENT_RST, End.NONE])
def test_a_session_is_counted_as_completed_when_its_answers_are_there_not_when_it_is_closed(end: End) -> None:
    t = _answered(end)
    assert t.count(Counter.COMPLETED) == 1
    assert t.count(Counter.ACTIVE) == 1
