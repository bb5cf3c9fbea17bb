"""Retransmission: time-outs with back-off (RFC 6298), fast retransmit and partial acknowledgements (RFC 5681, 6582)."""

from __future__ import annotations

from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter


def _sent(size: int, mss: int = 1000, **plan: float) -> Transcript:
    """A message in segments of ``mss``, sent at 2 ms; the round trip is 1 ms."""
    t = Transcript([Message(size)], last_expect=50, **plan).open(mss=mss, options=1)  # type: ignore[arg-type]
    t.until(2.5)
    return t


def test_an_unacknowledged_segment_goes_out_again_with_doubled_pauses() -> None:
    t = _sent(500, timeout_s=1000.0)
    t.take("P.", 1, 500)
    t.until(4000)
    times = [ms for ms, _ in t.seen]
    assert len(times) == 4
    pauses = [later - earlier for earlier, later in zip([2.0, *times], times, strict=False)]
    for number, pause in enumerate(pauses):
        assert abs(pause - pauses[0] * 2**number) < 1
    assert 200 <= pauses[0] <= 204, "RTO = SRTT + max(200 ms, 4 RTTVAR)"
    assert all(int(packet["length"]) == 500 for _, packet in t.seen)
    assert t.count(Counter.RETRANSMITTED) == 4
    assert t.count(Counter.BYTES_SENT) == 500


def test_the_back_off_ends_at_two_minutes_and_fifteen_retransmissions() -> None:
    t = _sent(500, timeout_s=86_400.0)
    t.take("P.", 1, 500)
    t.until(2_000_000)
    *again, reset = t.seen
    assert len(again) == 15
    assert abs(again[-1][0] - again[-2][0] - 120_000) < 1
    assert int(reset[1]["flags"]) & 4
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_a_timeout_resends_the_first_segment_alone_and_slow_start_the_rest() -> None:
    t = _sent(4000)
    assert t.drop() == 4
    t.until(300)
    t.take(".", 1, 1000)
    t.quiet()
    t.give(".", 1, 1001)
    t.take(".", 1001, 1000)
    t.take(".", 2001, 1000)
    t.quiet()
    t.give(".", 1, 3001)
    t.take("P.", 3001, 1000)


def test_after_a_timeout_an_acknowledgement_of_everything_resends_nothing_more() -> None:
    t = _sent(4000)
    t.drop()
    t.until(300)
    t.take(".", 1, 1000)
    t.give(".", 1, 4001)
    t.quiet(600)


def test_the_third_duplicate_acknowledgement_resends_the_first_segment_at_once() -> None:
    t = _sent(5000)
    t.drop()
    for _ in range(2):
        t.give(".", 1, 1)
        t.quiet()
    t.give(".", 1, 1)
    t.take(".", 1, 1000, at=2.5)
    for _ in range(5):
        t.give(".", 1, 1)
    t.quiet()
    assert t.count(Counter.RETRANSMITTED) == 1


def test_each_partial_acknowledgement_resends_the_next_hole() -> None:
    """RFC 6582, 3.2: two losses in one window."""
    t = _sent(6000)
    t.drop()
    for _ in range(3):
        t.give(".", 1, 1)
    t.take(".", 1, 1000)
    t.give(".", 1, 3001)
    t.take(".", 3001, 1000)
    t.quiet()
    t.give(".", 1, 6001)
    t.quiet(150)
    assert t.count(Counter.RETRANSMITTED) == 2


def test_recovery_sends_nothing_new_until_everything_outstanding_is_acknowledged() -> None:
    """The documented difference: Linux would keep the pipe full."""
    t = Transcript([Message(5000), Message(700, gap_ms=2)], last_gap_ms=5000).open(mss=1000, options=1)
    t.until(2.5)
    assert t.drop() == 5
    for _ in range(3):
        t.give(".", 1, 1)
    t.take(".", 1, 1000)
    t.until(50)
    t.quiet()
    t.give(".", 1, 5001)
    t.take("P.", 5001, 700)


def test_data_window_updates_and_old_numbers_are_no_duplicate_acknowledgements() -> None:
    """RFC 5681, 2."""
    t = _sent(5000)
    t.drop()
    t.give(".", 1, 1, window=60_000)
    t.give(".", 1, 1, window=61_000)
    t.give(".", 1, 1, window=62_000)
    t.give(".", 1, 1, 10, window=62_000)
    t.give(".", 11, 1, 10, window=62_000)
    t.drop()
    assert t.count(Counter.RETRANSMITTED) == 0


def test_duplicate_acknowledgements_with_nothing_outstanding_do_nothing() -> None:
    t = _sent(500)
    t.drop()
    t.give(".", 1, 501)
    for _ in range(6):
        t.give(".", 1, 501)
    t.quiet(1000)


def test_fast_retransmit_halves_what_may_be_under_way() -> None:
    """RFC 5681, 3.2 and 3.1: ssthresh is half the flight, then one segment more a round trip."""
    t = Transcript([Message(200_000)]).open(mss=1000, options=1)
    t.until(2.5)
    assert t.drop() == 10
    for _ in range(3):
        t.give(".", 1, 1)
    t.take(".", 1, 1000)
    t.give(".", 1, 10_001)
    assert t.drop() == 5
    t.give(".", 1, 15_001)
    assert t.drop() in (5, 6)


def test_slow_start_doubles_the_window_every_round_trip() -> None:
    t = Transcript([Message(500_000)]).open(mss=1000, options=3, window_scale=7)
    t.until(2.5)
    acknowledged = 1
    for flight in (10, 20, 40, 80):
        assert t.drop() == flight
        acknowledged += 1000 * flight
        t.give(".", 1, acknowledged)


def test_a_lost_fin_is_found_by_the_timer_after_the_data() -> None:
    t = Transcript([Message(500)], last_gap_ms=1).open()
    t.until(4)
    t.take("P.", 1, 500)
    t.take("F.", 501)
    t.give(".", 1, 501)
    t.until(300)
    t.take("F.", 501)
    t.give("F.", 1, 502)
    t.take(".", 502, ack=2)
    t.balanced()


def test_the_round_trip_is_learned_from_the_handshake_and_the_messages() -> None:
    """RFC 6298, 2: after a round trip of 300 ms a time-out of 200 ms would always be wrong."""
    t = Transcript([Message(500)], last_expect=50).open(at=300, options=1)
    t.until(301.5)
    t.take("P.", 1, 500)
    t.quiet(700)
    t.until(1300)
    t.take("P.", 1, 500, at=1200.85)


def test_a_retransmitted_segment_times_no_round_trip() -> None:
    """Karn's algorithm (RFC 6298, 3): the acknowledgement may be of either copy."""
    t = Transcript([Message(500), Message(500, gap_ms=1, expect=10)], last_expect=10).open(options=1)
    t.until(250)
    t.take("P.", 1, 500)
    t.take("P.", 1, 500)
    t.give("P.", 1, 501, 10)
    t.until(252)
    t.take("P.", 501, 500, at=251)
    t.until(460)
    t.take("P.", 501, 500)


def test_after_a_timeout_acknowledgements_keep_the_highest_number_sent() -> None:
    """Below it they would lie before the server's window, and be dropped with what they acknowledge."""
    t = _sent(4000)
    t.drop()
    t.until(300)
    t.take(".", 1, 1000)
    t.give(".", 1, 1, 5000)
    t.take(".", 4001, ack=5001)


def test_the_clients_sequence_numbers_wrap() -> None:
    t = Transcript([Message(5000)], last_expect=50, client_isn=0xFFFFFFFF - 2500).open(mss=1000, options=1)
    t.until(2.5)
    for part in range(5):
        t.take("P." if part == 4 else ".", 1 + 1000 * part, 1000)
    t.give(".", 1, 2001)
    for _ in range(3):
        t.give(".", 1, 2001)
    t.take(".", 2001, 1000)
    t.give("P.", 1, 5001, 50)
    t.until(10)
    t.take("F.", 5001, ack=51)
    t.give("F.", 51, 5002)
    t.take(".", 5002, ack=52)
    assert t.count(Counter.COMPLETED) == 1
    t.balanced()


def test_retransmissions_are_cut_where_the_messages_were_sent() -> None:
    """Payload offsets follow the sequence numbers: the server never sees other bytes at the same place."""
    t = _sent(2500)
    sent = {int(packet["seq"]): int(packet["payload"]) for _, packet in t.seen}
    t.drop()
    t.until(300)
    for _, packet in t.seen:
        assert sent[int(packet["seq"])] == int(packet["payload"])
