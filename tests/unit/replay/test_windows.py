"""The server's window: obeyed, probed when closed, used when it opens (RFC 9293, 3.8.6); path MTU (RFC 1191, 8201)."""

from __future__ import annotations

import pytest
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter


def _opened(size: int, **synack: int) -> Transcript:
    """A message of that size has been due at 2 ms, without options."""
    t = Transcript([Message(size)], last_expect=50, timeout_s=600.0).open(**{"mss": 1000, "options": 1, **synack})
    t.until(2.5)
    return t


def test_a_window_smaller_than_the_message_is_filled_and_no_more() -> None:
    t = _opened(5000, window=2500)
    t.take(".", 1, 1000)
    t.take(".", 1001, 1000)
    t.quiet(150)
    t.give(".", 1, 2001, window=2500)
    t.take(".", 2001, 1000)
    t.take(".", 3001, 1000)
    t.quiet(300)


def test_a_part_of_a_segment_goes_only_when_nothing_is_on_its_way() -> None:
    """Silly window avoidance (3.8.6.2.1)."""
    t = _opened(5000, window=1300)
    t.take(".", 1, 1000)
    t.quiet()
    t.give(".", 1, 1001, window=300)
    t.take(".", 1001, 300)
    t.quiet()


def test_a_closed_window_is_probed_with_back_off_one_below_the_next_number() -> None:
    t = _opened(500, window=0)
    t.until(7000)
    times = [ms for ms, _ in t.seen]
    assert 4 <= len(times) <= 6
    for (_, packet), pause in zip(t.seen, [b - a for a, b in zip([2, *times], times, strict=False)], strict=False):
        assert int(packet["length"]) == 0
        assert int(packet["seq"]) == t.client_isn
        assert pause >= 200
    t.give(".", 1, 1, window=65535)
    t.seen = t.seen[-1:]
    t.take("P.", 1, 500)


def test_the_answer_to_a_probe_that_opens_the_window_releases_everything() -> None:
    t = _opened(3000, window=0)
    t.until(300)
    t.drop()
    t.give(".", 1, 1, window=2000)
    t.take(".", 1, 1000)
    t.take(".", 1001, 1000)
    t.quiet()


def test_probes_do_not_count_against_the_data_that_follows_them() -> None:
    """Twenty probes, then a lost segment: it has all of its own retransmissions."""
    t = Transcript([Message(500)], last_expect=50, timeout_s=86_400.0).open(mss=1000, options=1, window=0)
    t.until(1_500_000)
    assert t.drop() > 15
    t.give(".", 1, 1, window=65535)
    t.take("P.", 1, 500)
    t.until(t.now_ms + 10_000)
    assert t.failures() == {}
    assert t.drop() >= 3


def test_the_wait_for_a_window_is_no_round_trip() -> None:
    """A message that was held for a second and acknowledged at once does not teach a time-out of seconds."""
    t = _opened(500, window=0)
    t.until(1000)
    t.drop()
    t.give(".", 1, 1, window=65535)
    t.take("P.", 1, 500)
    t.until(1001)
    t.give(".", 1, 501)
    t.give("P.", 1, 501, 50)
    t.until(1010)
    t.take("F.", 501)
    t.until(1300)
    t.take("F.", 501)


def test_a_window_that_shrinks_to_nothing_under_outstanding_data_is_probed_by_that_data() -> None:
    t = _opened(3000)
    assert t.drop() == 3
    t.give(".", 1, 1001, window=0)
    t.until(300)
    t.take(".", 1001, 1000)
    t.quiet()
    t.give(".", 1, 3001, window=65535)
    t.quiet(1000)


def test_a_window_closed_for_good_ends_with_the_timeout() -> None:
    t = Transcript([Message(500)], last_expect=50, timeout_s=20.0).open(mss=1000, options=1, window=0)
    t.until(60_000)
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_the_window_is_scaled_after_the_handshake() -> None:
    t = Transcript([Message(300_000)]).open(mss=1000, options=3, window_scale=7, window=65535)
    t.until(2.5)
    acknowledged = 1
    for _ in range(4):
        acknowledged += 1000 * t.drop()
        t.give(".", 1, acknowledged, window=400)
    assert t.drop() == 400 * 128 // 1000


@pytest.mark.parametrize(("version", "kind", "code", "headers"), [(4, 3, 4, 40), (6, 2, 0, 60)])
def test_too_big_lowers_the_segment_size_and_resends_at_once(version: int, kind: int, code: int, headers: int) -> None:
    t = Transcript([Message(2800)], last_expect=50, ip_version=version).open(mss=1400, options=1)
    t.until(2.5)
    t.take(".", 1, 1400)
    t.take("P.", 1401, 1400)
    t.icmp(kind, code, 1, mtu=1000, version=version)
    t.until(5)
    t.take(".", 1, 1000 - headers)
    t.give(".", 1, 1 + 1000 - headers)
    t.take(".", 1 + 1000 - headers, 1000 - headers)


def test_too_big_leaves_room_for_the_timestamps() -> None:
    t = Transcript([Message(2800)], last_expect=50).open()
    t.until(2.5)
    t.drop()
    t.icmp(3, 4, 1, mtu=1000)
    t.until(5)
    t.take(".", 1, 948)


def test_too_big_is_served_in_the_second_half_of_the_clocks_turn_too() -> None:
    t = Transcript([Message(1400, gap_ms=40 * 60_000)], last_expect=50).open(options=1)
    t.until(40 * 60_000 + 2)
    t.take("P.", 1, 1400)
    t.icmp(3, 4, 1, mtu=1000)
    t.until(t.now_ms + 5)
    t.take(".", 1, 960)


@pytest.mark.parametrize("mtu", [0, 40, 67, 1500, 9000])
def test_too_big_that_names_nonsense_or_no_smaller_size_is_ignored(mtu: int) -> None:
    """RFC 5927, 7: an attacker would make segments of nothing."""
    t = Transcript([Message(1400)], last_expect=50).open(options=1)
    t.until(2.5)
    t.take("P.", 1, 1400)
    t.icmp(3, 4, 1, mtu=mtu)
    t.quiet(100)


def test_too_big_about_what_is_not_on_its_way_is_ignored() -> None:
    t = Transcript([Message(1400)], last_expect=50).open(options=1)
    t.until(2.5)
    t.take("P.", 1, 1400)
    t.icmp(3, 4, 0, mtu=1000)
    t.icmp(3, 4, 1401, mtu=1000)
    t.quiet(100)


def test_a_long_upload_is_paced_by_acknowledgements_and_all_of_it_arrives() -> None:
    t = Transcript([Message(1_000_000)], last_expect=50).open(mss=1460, options=3, window_scale=7, window=65535)
    reached = 1
    for _ in range(400):
        t.until(t.now_ms + 5)
        for _, packet in t.seen:
            if (int(packet["seq"]) - t.client_isn) == reached:
                reached += int(packet["length"])
        assert reached - t.count(Counter.BYTES_SENT) <= 1
        t.drop()
        if reached == 1_000_001:
            break
        t.give(".", 1, reached, window=400)
    assert reached == 1_000_001
    assert t.count(Counter.RETRANSMITTED) == 0


def test_a_retransmission_carries_nothing_beyond_the_window_that_had_not_left_before() -> None:
    """A part of a segment has left when the window closes: the timer says that part again, not the whole segment."""
    t = Transcript([Message(3000)]).open(window=10)
    t.until(2.5)
    t.take(".", 1, 10)
    t.give(".", 1, 1, window=0)
    t.until(600)
    t.take(".", 1, 10)
    assert t.count(Counter.BYTES_SENT) == 10
