"""When sessions start: rates, ramps, Poisson gaps and recorded starts, on time whatever the server does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peer import MS, Message, make_engine, make_script

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.arrivals import Arrivals, Spacing, as_recorded
from gryphon.sender.replay.measures import Counter, Histogram

SYN = 2


def starts(arrivals: Arrivals, users: int, *, seed: int = 0, until_s: float = 1000.0) -> list[float]:
    """Seconds at which the users' first SYNs leave; nobody ever answers, and time jumps from deadline to deadline."""
    engine = make_engine(make_script([Message(10)]), users=users, arrivals=arrivals, seed=seed, timeout_s=86_400.0)
    seen: list[float] = []
    rows: set[int] = set()
    now = 0
    while len(seen) < users and now < until_s * 1e9:
        packets = engine.step(now)
        for packet in packets[packets["flags"] == SYN]:
            if int(packet["row"]) not in rows:
                rows.add(int(packet["row"]))
                seen.append(now / 1e9)
        now += max(engine.idle_ns(now, most_ns=1000 * MS), 0 if len(packets) else 1000)
    return seen


def test_a_constant_rate_is_even() -> None:
    assert starts(Arrivals(((0.0, 50.0),)), 100) == pytest.approx([k / 50 for k in range(100)], abs=2e-6)


def test_an_infinite_rate_starts_everybody_at_once() -> None:
    assert starts(Arrivals(((0.0, math.inf),)), 300) == [0.0] * 300


def test_a_ramp_starts_as_many_as_lie_under_it() -> None:
    """0 to 100 a second within 10 s are 500 sessions, after which it goes on with 100 a second."""
    seen = starts(Arrivals(((0.0, 0.0), (10.0, 100.0))), 700)
    assert sum(second < 5 for second in seen) == pytest.approx(125, abs=1)
    assert sum(second < 10 for second in seen) == pytest.approx(500, abs=1)
    assert seen[-1] == pytest.approx(10 + 199 / 100, abs=0.02)


def test_a_ramp_may_pause_and_come_down() -> None:
    points = ((0.0, 100.0), (1.0, 0.0), (3.0, 0.0), (4.0, 50.0))
    seen = starts(Arrivals(points), 90)
    assert [sum(second < limit for second in seen) for limit in (1, 3)] == [50, 50]
    assert seen[51] == pytest.approx(3 + math.sqrt(2 / 50), abs=0.05)


@given(
    st.lists(st.tuples(st.floats(0.5, 5), st.floats(0, 200)), min_size=1, max_size=5),
    st.floats(1, 200),
)
@settings(max_examples=30, deadline=None)
def test_every_start_lies_where_the_integral_of_the_rate_says(steps: list[tuple[float, float]], last: float) -> None:
    points, second = [], 0.0
    for length, rate in steps:
        points.append((second, rate))
        second += length
    points.append((second, last))
    for number, at in enumerate(starts(Arrivals(tuple(points)), 150)):
        assert _under(points, at) == pytest.approx(number, abs=0.01)


def _under(points: list[tuple[float, float]], until: float) -> float:
    """The integral of a ramp, by numpy."""
    grid = np.unique(np.concatenate([[0.0, until], [second for second, _ in points if second < until]]))
    rates = np.interp(grid, [second for second, _ in points], [rate for _, rate in points])
    return float(np.trapezoid(rates, grid)) if hasattr(np, "trapezoid") else float(np.trapz(rates, grid))


def test_poisson_gaps_are_exponential_and_have_the_rate() -> None:
    gaps = np.diff(starts(Arrivals(((0.0, 1000.0),), Spacing.POISSON), 20_000))
    assert gaps.mean() == pytest.approx(1e-3, rel=0.03)
    assert gaps.std() == pytest.approx(1e-3, rel=0.05)
    assert (gaps > 1e-3).mean() == pytest.approx(math.exp(-1), abs=0.02)


def test_poisson_gaps_repeat_with_the_seed_and_differ_with_another() -> None:
    poisson = Arrivals(((0.0, 1000.0),), Spacing.POISSON)
    assert starts(poisson, 50, seed=5) == starts(poisson, 50, seed=5)
    assert starts(poisson, 50, seed=5) != starts(poisson, 50, seed=6)


def test_a_poisson_ramp_starts_as_many_as_the_even_one() -> None:
    ramp = ((0.0, 0.0), (10.0, 1000.0))
    even, poisson = (starts(Arrivals(ramp, spacing), 5000) for spacing in (Spacing.EVEN, Spacing.POISSON))
    assert sum(second < 5 for second in poisson) == pytest.approx(sum(second < 5 for second in even), rel=0.1)


def recorded(*seconds: float) -> Any:
    return np.array([second * 1e9 for second in seconds], np.int64)


def test_recorded_starts_come_at_their_times_and_pass_after_pass() -> None:
    """Sessions at 0, 1 and 4 s: the next pass begins a mean pause, 2 s, after the last start."""
    seen = starts(as_recorded(recorded(100, 101, 104), 1.0), 8)
    assert seen == pytest.approx([0, 1, 4, 6, 7, 10, 12, 13], abs=1e-5)


def test_recorded_starts_are_scaled_by_the_speed() -> None:
    assert starts(as_recorded(recorded(100, 104, 101), 4.0), 4) == pytest.approx([0, 0.25, 1, 1.5], abs=1e-5)


def test_recorded_starts_without_pauses_are_at_once() -> None:
    assert starts(as_recorded(recorded(100, 104), math.inf), 5) == [0.0] * 5


def test_one_recorded_start_says_nothing_of_the_rate() -> None:
    with pytest.raises(InputFault, match="at least two sessions"):
        as_recorded(recorded(100), 1.0)


def test_a_server_that_never_answers_delays_no_start() -> None:
    engine = make_engine(make_script([Message(10)]), users=100, arrivals=Arrivals(((0.0, 100.0),)))
    for now in range(0, 1000 * MS, MS):
        engine.step(now)
    assert engine.counters[Counter.STARTED] == 100
    assert engine.histograms[Histogram.LATENESS].nonzero()[0].max() <= 1000


def test_starts_that_a_ramp_never_reaches_do_not_keep_the_run_from_ending() -> None:
    engine = make_engine(
        make_script([Message(10)]), users=100, arrivals=Arrivals(((0.0, 10.0), (1.0, 0.0))), timeout_s=1.0
    )
    now = 0
    while not engine.finished and now < 20_000 * MS:
        engine.step(now)
        now += MS
    assert engine.finished
    assert engine.counters[Counter.STARTED] == 5
