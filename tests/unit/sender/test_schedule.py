"""Rates, ramps, loops and durations as the options spell them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.arrivals import Spacing
from gryphon.sender.schedule import parse_duration, parse_loops, parse_ramp, parse_rate, plan_arrivals, seconds

STARTS = np.array([5_000_000_000, 7_000_000_000], np.int64)


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("500ms", 0.5), ("1d", 86_400), (".5", 0.5)],
)
def test_times(text: str, value: float) -> None:
    assert seconds(text, "--duration") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "s", "-1", "1 hour", "1e3", "nan", "400d", "1:30"])
def test_what_is_no_time_is_refused_with_the_options_name(text: str) -> None:
    with pytest.raises(InputFault, match=r"--settle .*: give a time such as"):
        seconds(text, "--settle")


def test_rates() -> None:
    assert (parse_rate("0.5"), parse_rate("20000"), parse_rate("max")) == (0.5, 20_000, math.inf)


def test_a_ramp_is_points_of_time_and_rate() -> None:
    assert parse_ramp("0:1000, 60s:20000,2m:0") == ((0, 1000), (60, 20_000), (120, 0))


def test_loops() -> None:
    assert [parse_loops(None, None), parse_loops(None, 60.0)] == [1, 0]
    assert [parse_loops("3", 60.0), parse_loops("forever", None)] == [3, 0]
    for wrong in ("0", "-1", "65536", "x", "1.5"):
        with pytest.raises(InputFault, match="--loops"):
            parse_loops(wrong, None)


def test_durations() -> None:
    assert (parse_duration(None), parse_duration("5m")) == (None, 300)
    with pytest.raises(InputFault, match="starts nobody"):
        parse_duration("0")


def test_the_default_is_an_even_rate_of_a_thousand() -> None:
    plan = plan_arrivals("even", None, None, 10, STARTS, 1.0)
    assert (plan.ramp, plan.spacing) == (((0.0, 1000.0),), Spacing.EVEN)


def test_poisson_goes_with_rates_and_ramps() -> None:
    assert plan_arrivals("poisson", "5", None, 10, STARTS, 1.0).spacing is Spacing.POISSON
    assert plan_arrivals("poisson", None, "0:1,9s:2", 10, STARTS, 1.0).ramp == ((0, 1), (9, 2))


def test_recorded_starts_are_taken_from_the_recording() -> None:
    plan = plan_arrivals("recorded", None, None, 10, STARTS, 2.0)
    assert (plan.starts_us.tolist(), plan.period_us) == ([0, 1_000_000], 2_000_000)


def test_a_ramp_that_ends_before_everybody_has_started_is_refused() -> None:
    with pytest.raises(InputFault, match="starts 500 of 1,000 users"):
        plan_arrivals("even", None, "0:100,10s:0", 1000, STARTS, 1.0)
    assert plan_arrivals("even", None, "0:100,10s:0", 500, STARTS, 1.0).capacity() == 500
