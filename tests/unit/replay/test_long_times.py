"""Times beyond a turn of the 32-bit clock (71 minutes) and of the wheel (67 seconds)."""

from __future__ import annotations

import pytest
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter

MINUTE = 60_000.0
TURN_MS = 2**32 / 1000
HALF_TURN_MS = 2**31 / 1000


@pytest.mark.parametrize(
    "gap_ms",
    [
        1.5 * MINUTE,
        36 * MINUTE,
        70 * MINUTE,
        73 * MINUTE,
        300 * MINUTE,
        HALF_TURN_MS,
        TURN_MS,
        2 * TURN_MS,
        1073741.824,
    ],
)
def test_a_gap_beyond_the_clocks_turn_is_kept_to_the_tick(gap_ms: float) -> None:
    t = Transcript([Message(100), Message(200, gap_ms=gap_ms, expect=50)], last_expect=10).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    t.until(10)
    t.give("P.", 1, 101, 50)
    t.until(60)
    t.take(".", 101)
    t.quiet(9 + gap_ms)
    t.until(11 + gap_ms)
    t.take("P.", 101, 200, at=10 + gap_ms)


@pytest.mark.parametrize("offset_us", range(0, 128, 8))
def test_a_hop_that_falls_on_a_ticks_edge_ends(offset_us: int) -> None:
    t = Transcript([Message(100, gap_ms=HALF_TURN_MS + offset_us / 1000)]).open(at=0.128)
    t.until(HALF_TURN_MS + 1)
    t.take("P.", 1, 100)


@pytest.mark.parametrize("at_ms", [16.0, 15.999, 16.001, 16.128, 17.0])
def test_a_delayed_acknowledgement_that_falls_on_a_ticks_edge_ends(at_ms: float) -> None:
    t = Transcript([Message(100)], last_expect=10_000).open()
    t.until(at_ms)
    t.take("P.", 1, 100)
    t.give("P.", 1, 101, 100)
    while t.now_ms < at_ms + 42:
        t.until(t.now_ms + 0.128)
    t.take(".", 101, ack=101)
    t.quiet()


def test_a_timeout_of_hours_is_kept() -> None:
    t = Transcript([Message(100)], last_expect=50, timeout_s=20_000.0).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    t.give(".", 1, 101)
    t.quiet(20_000_000)
    t.until(20_001_000)
    t.take("R.", 101)
    t.balanced()


def test_retransmission_works_across_the_clocks_wrap() -> None:
    gap = TURN_MS - 100
    t = Transcript([Message(100, gap_ms=gap)], last_expect=50).open(options=1)
    t.until(gap + 400)
    t.take("P.", 1, 100)
    assert gap + 200 < t.seen[0][0] < gap + 206
    t.take("P.", 1, 100)
    t.give("P.", 1, 101, 50)
    t.until(gap + 402)
    t.take("F.", 101)
    assert t.count(Counter.COMPLETED) == 1


def test_users_that_start_after_the_clocks_wrap_work_like_the_first() -> None:
    t = Transcript([Message(100)], users=2, rate=1 / 5000.0)
    t.until(1)
    t.take("S", 0)
    t.give("R.", 0, 1)
    t.until(5_000_001)
    assert [int(packet["row"]) for _, packet in t.seen] == [1]
    assert t.seen[0][0] == pytest.approx(5_000_000, abs=1)
