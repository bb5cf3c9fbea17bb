"""The clock estimate is right within the uncertainty that it states, with jitter, asymmetry and drift."""

from __future__ import annotations

import random

from gryphon.controller.clock import ClockEstimate

SECOND = 1_000_000_000
OFFSET = 86_400 * SECOND


def heartbeat(clock: ClockEstimate, at: int, there: int, back: int, drift: float = 0.0) -> None:
    """One heartbeat at our time ``at``, ``there`` and ``back`` nanoseconds on the way."""

    def theirs(ours: int) -> int:
        return ours + OFFSET + int(drift * ours)

    received = at + there
    answered = received + 40_000
    clock.add(at, theirs(received), theirs(answered), answered + back)


def test_no_heartbeat_no_offset() -> None:
    assert ClockEstimate().at(SECOND) == (0, 0)


def test_equal_ways_give_the_exact_offset() -> None:
    clock = ClockEstimate()
    heartbeat(clock, SECOND, 100_000, 100_000)
    estimate = clock.at(SECOND + 120_000)
    assert estimate.offset_ns == OFFSET
    assert 100_000 <= estimate.uncertainty_ns < 101_000


def test_unequal_ways_stay_within_the_uncertainty() -> None:
    clock = ClockEstimate()
    heartbeat(clock, SECOND, 10_000, 400_000)
    estimate = clock.at(SECOND + 500_000)
    assert 0 < abs(estimate.offset_ns - OFFSET) <= estimate.uncertainty_ns


def test_the_shortest_round_trip_wins() -> None:
    clock = ClockEstimate()
    for place, back in enumerate((900_000, 20_000, 700_000)):
        heartbeat(clock, SECOND + place * 1_000_000, 20_000, back)
    assert clock.at(SECOND + 3_000_000).offset_ns == OFFSET


def test_an_old_sample_loses_its_weight() -> None:
    clock = ClockEstimate()
    heartbeat(clock, SECOND, 20_000, 20_000)
    heartbeat(clock, 4 * SECOND, 20_000, 120_000)
    assert clock.at(4 * SECOND).uncertainty_ns < 80_000


def test_drift_is_followed_between_heartbeats() -> None:
    clock = ClockEstimate()
    drift, chance = 40e-6, random.Random(1)
    for beat in range(60):
        heartbeat(clock, beat * SECOND, 50_000, 50_000 + chance.randrange(3_000_000) * (beat % 7 != 0), drift)
    now = 75 * SECOND
    estimate = clock.at(now)
    assert abs(estimate.offset_ns - (OFFSET + int(drift * now))) <= estimate.uncertainty_ns < 200_000


def test_times_that_cannot_be_are_ignored() -> None:
    clock = ClockEstimate()
    clock.add(SECOND, 0, 2 * SECOND, SECOND + 1)
    assert clock.at(SECOND) == (0, 0)
