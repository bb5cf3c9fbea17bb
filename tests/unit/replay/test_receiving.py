"""What the user acknowledges and when: delayed, at once, out of order, old (RFC 9293, 3.8.6.3 and 3.10.7.4)."""

from __future__ import annotations

import pytest
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter


def _listening() -> Transcript:
    """A user that waits for much, at 3 ms."""
    t = Transcript([Message(100)], last_expect=10_000_000).open()
    t.until(3)
    t.take("P.", 1, 100)
    return t


def test_a_single_segment_is_acknowledged_after_forty_milliseconds() -> None:
    t = _listening()
    t.give("P.", 1, 101, 1000)
    t.until(100)
    t.take(".", 101, ack=1001, at=43)
    t.quiet(150)


def test_the_second_segment_is_acknowledged_at_once() -> None:
    t = _listening()
    t.give(".", 1, 101, 1000)
    t.until(10)
    t.give(".", 1001, 101, 1000)
    t.take(".", 101, ack=2001, at=10)
    t.quiet(150)


def test_two_segments_in_one_batch_are_one_acknowledgement() -> None:
    t = _listening()
    t.give_all(t.record(".", 1, 101, 1000), t.record(".", 1001, 101, 1000))
    t.take(".", 101, ack=2001)
    t.quiet(150)


def test_a_record_of_several_segments_is_acknowledged_at_once() -> None:
    """A GSO super-segment at tc egress is one record with its whole length."""
    t = _listening()
    t.give("P.", 1, 101, 64_856)
    t.take(".", 101, ack=64_857)
    t.quiet(150)
    assert t.count(Counter.BYTES_RECEIVED) == 64_856


def test_a_message_carries_the_acknowledgement() -> None:
    t = Transcript([Message(100), Message(50, gap_ms=10, expect=1000)], last_gap_ms=500).open()
    t.until(3)
    t.take("P.", 1, 100)
    t.give("P.", 1, 101, 1000)
    t.until(20)
    t.take("P.", 101, 50, ack=1001, at=13)
    t.quiet()


def test_out_of_order_data_is_acknowledged_at_once_each_time() -> None:
    """RFC 5681, 4.2: duplicate acknowledgements start the server's fast retransmit."""
    t = _listening()
    for part in (1, 2, 3):
        t.give(".", 1 + 1000 * part, 101, 1000)
        t.take(".", 101, ack=1)
    t.give(".", 1, 101, 1000)
    t.take(".", 101, ack=4001)
    assert t.count(Counter.BYTES_RECEIVED) == 4000


def test_two_ranges_are_kept_and_joined_and_a_third_is_forgotten() -> None:
    t = _listening()
    for part in (1, 3, 5):
        t.give(".", 1 + 1000 * part, 101, 1000)
        t.take(".", 101, ack=1)
    t.give(".", 1, 101, 1000)
    t.take(".", 101, ack=2001)
    t.give(".", 2001, 101, 1000)
    t.take(".", 101, ack=4001)
    t.give(".", 4001, 101, 1000)
    t.until(200)
    t.take(".", 101, ack=5001)
    t.give(".", 5001, 101, 1000)
    t.until(300)
    t.take(".", 101, ack=6001)
    assert t.count(Counter.BYTES_RECEIVED) == 6000


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0), (3, 1, 2, 0), (1, 3, 2, 0), (1, 1, 0), (2, 1, 3, 0)])
def test_ranges_that_touch_or_repeat_are_one(order: tuple[int, ...]) -> None:
    t = _listening()
    for part in order:
        t.give(".", 1 + 1000 * part, 101, 1000)
    t.until(100)
    assert (int(t.seen[-1][1]["ack"]) - t.server_isn) == 1 + 1000 * (max(order) + 1)
    assert t.count(Counter.BYTES_RECEIVED) == 1000 * len(set(order))


def test_a_segment_that_overlaps_a_kept_range_counts_each_byte_once() -> None:
    t = _listening()
    t.give(".", 1001, 101, 1000)
    t.give(".", 1501, 101, 1000)
    t.give(".", 1, 101, 1800)
    t.until(100)
    assert (int(t.seen[-1][1]["ack"]) - t.server_isn) == 2501
    assert t.count(Counter.BYTES_RECEIVED) == 2500


def test_old_data_is_acknowledged_at_once() -> None:
    """Our acknowledgement was lost (RFC 9293, 3.10.7.4, first)."""
    t = _listening()
    t.give("P.", 1, 101, 1000)
    t.until(100)
    t.take(".", 101, ack=1001)
    t.give("P.", 1, 101, 1000)
    t.take(".", 101, ack=1001, at=100)
    t.quiet(150)
    assert t.count(Counter.BYTES_RECEIVED) == 1000


def test_data_that_is_partly_old_counts_what_is_new() -> None:
    t = _listening()
    t.give("P.", 1, 101, 1000)
    t.give("P.", 501, 101, 1000)
    t.until(100)
    assert (int(t.seen[-1][1]["ack"]) - t.server_isn) == 1501
    assert t.count(Counter.BYTES_RECEIVED) == 1500


def test_a_keep_alive_is_answered() -> None:
    """An empty segment one below RCV.NXT (RFC 9293, 3.8.4)."""
    t = _listening()
    t.give(".", 0, 101)
    t.take(".", 101, ack=1)
    t.quiet(150)


def test_pure_acknowledgements_are_never_acknowledged() -> None:
    t = _listening()
    for _ in range(5):
        t.give(".", 1, 101)
    t.quiet(150)


def test_an_acknowledgement_of_what_was_never_sent_is_answered_and_dropped() -> None:
    """RFC 9293, 3.10.7.4, fifth."""
    t = _listening()
    t.give("P.", 1, 102, 500)
    t.take(".", 101, ack=1)
    assert t.count(Counter.BYTES_RECEIVED) == 0


def test_data_without_an_acknowledgement_flag_is_dropped() -> None:
    t = _listening()
    t.give("P", 1, 0, 500)
    t.quiet(150)
    assert t.count(Counter.BYTES_RECEIVED) == 0


def test_data_beyond_the_window_is_dropped_and_acknowledged() -> None:
    t = _listening()
    t.give("P.", 1 + (65535 << 14) + 1, 101, 500)
    t.take(".", 101, ack=1)
    t.give("P.", 1, 101, 500)
    t.until(100)
    t.take(".", 101, ack=501)


def test_the_server_sequence_numbers_wrap() -> None:
    t = Transcript([Message(100)], last_expect=10_000, server_isn=0xFFFFFFFF - 1500).open()
    t.until(3)
    t.take("P.", 1, 100, ack=1)
    t.give(".", 1, 101, 1000)
    t.give(".", 2001, 101, 1000)
    t.take(".", 101, ack=1001)
    t.give(".", 1001, 101, 1000)
    t.take(".", 101, ack=3001)
    t.give(".", 501, 101, 1000)
    t.take(".", 101, ack=3001)
    t.give("P.", 3001, 101, 7000)
    t.until(200)
    t.take(".", 101, ack=10_001)
    t.take("F.", 101, ack=10_001)
    assert t.count(Counter.COMPLETED) == 1
    assert t.count(Counter.MISMATCHED) == 0


def test_timestamps_advance_by_the_millisecond_and_echo_the_servers_latest() -> None:
    t = Transcript([Message(100)], last_expect=100_000)
    t.until(10)
    syn = t.take("S", 0)
    t.give("S.", 0, 1, mss=1460, options=15, tsval=500)
    acknowledgement = t.take(".", 1, tsecr=500)
    assert int(acknowledgement["tsval"]) - int(syn["tsval"]) == 10
    t.until(60)
    t.take("P.", 1, 100, tsecr=500)
    t.give(".", 1, 101, 5000, tsval=900, options=8)
    later = t.take(".", 101, tsecr=900)
    assert int(later["tsval"]) - int(acknowledgement["tsval"]) == 50


def test_an_out_of_order_segments_timestamp_is_not_echoed() -> None:
    """RFC 7323, 4.3: the echo belongs to the segment that advanced the window."""
    t = _listening()
    t.give(".", 1001, 101, 1000, tsval=900, options=8)
    t.take(".", 101, ack=1, tsecr=5)
    t.give(".", 1, 101, 1000, tsval=800, options=8)
    t.take(".", 101, ack=2001, tsecr=800)


def test_the_window_that_a_user_advertises_is_always_open() -> None:
    t = _listening()
    t.give("P.", 1, 101, 60_000)
    t.take(".", 101, window=65535)


def test_a_copy_of_what_was_acknowledged_last_has_its_own_time_echoed() -> None:
    """RFC 7323, 4.3 (2): else a lost acknowledgement made the server's round trip as long as all its time-outs."""
    t = Transcript([Message(100)], last_expect=5000).open(mss=1460, options=15, tsval=5)
    t.until(2.5)
    t.take("P.", 1, 100)
    for part in range(2):
        t.give(".", 1 + 1000 * part, 101, 1000, tsval=500, options=8)
    t.take(".", 101, ack=2001, tsecr=500)
    t.give(".", 1001, 101, 1000, tsval=900, options=8)
    t.take(".", 101, ack=2001, tsecr=900)
    t.give(".", 1001, 101, 1000, tsval=700, options=8)
    t.take(".", 101, ack=2001, tsecr=900)
    t.give(".", 1, 101, 1000, tsval=950, options=8)
    t.take(".", 101, ack=2001, tsecr=900)
