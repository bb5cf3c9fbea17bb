"""Figures are drawn where their values are, say the same in words, and share axes where they are compared."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gryphon.sender.report.curve import percentile_line
from gryphon.sender.report.draw import HEIGHT, WIDTH, draw, frame_for
from gryphon.sender.report.figure import Figure, Line
from gryphon.sender.report.scale import Scale, decades, nice, on_axis, seconds
from gryphon.sender.results.histogram import BUCKETS, encode, percentile

PLACE = re.compile(r"-?[\d.]+")
SVG = "{http://www.w3.org/2000/svg}"


def drawn(figure: Figure, *others: Figure) -> ET.Element:
    return ET.fromstring(draw(figure, frame_for([figure, *others])))


def line_of(root: ET.Element, i: int = 0) -> str:
    return next(path.get("d", "") for path in root.iter("path") if path.get("class") == f"line c{i}")


def figure(*values: float | None, **changes: object) -> Figure:
    line = Line("p99", [float(i) for i in range(len(values))], list(values))
    return Figure(**{"key": "k", "title": "Response", "unit": "ms", "lines": [line], **changes})  # type: ignore[arg-type]


def test_higher_values_are_drawn_higher_and_later_ones_further_right() -> None:
    numbers = [float(number) for number in PLACE.findall(line_of(drawn(figure(0, 5, 10))))]
    xs, ys = numbers[::2], numbers[1::2]
    assert xs == sorted(xs)
    assert ys == sorted(ys, reverse=True)


def test_what_was_not_measured_is_a_gap_and_a_lonely_value_a_dot() -> None:
    path = line_of(drawn(figure(1, 2, None, 3, None, 4, 5)))
    assert path.count("M") == 3
    assert path.count("h0") == 1


def test_compared_figures_share_their_axes() -> None:
    small, large = figure(1, 2), figure(1, 200, 3)
    alone, beside = line_of(drawn(small)), line_of(drawn(small, large))
    assert alone != beside
    assert frame_for([small, large]) == frame_for([large, small])


def test_a_stack_is_as_high_as_its_sum() -> None:
    lines = [Line("reset", [1.0, 2.0], [2.0, 0.0]), Line("timeout", [1.0, 2.0], [3.0, 0.0])]
    both = Figure("f", "Failures", "per second", lines, kind="stack")
    assert both.highest() == 5
    paths = [path.get("d", "") for path in drawn(both).iter("path") if "bar" in path.get("class", "")]
    assert [path.count("M") for path in paths] == [1, 1]  # what is 0 is not drawn
    first, second = ([float(n) for n in PLACE.findall(path)] for path in paths)
    assert first[2] == second[1]  # the second begins where the first one ends


def test_the_alternative_text_has_every_line() -> None:
    root = drawn(figure(1, 12.5, 3))
    assert (root.get("role"), root.get("aria-label")) == (
        "img",
        "Response, ms, over 2 s. p99: from 1 to 12.5, at the end 3.",
    )
    assert "p99: not measured." in figure(None).in_words()


VALUES = st.lists(st.none() | st.floats(0, 2.0**53), min_size=1, max_size=30)


@given(VALUES, st.sampled_from(["lines", "area", "stack"]), st.booleans(), st.floats(1e-6, 2.0**53))
def test_nothing_is_drawn_outside(values: list[float | None], kind: str, spread: bool, end: float) -> None:
    line = Line("a", [end * (i + 1) / len(values) for i in range(len(values))], values)
    made = Figure("k", "T", "u", [line], kind=kind, spread=spread)  # type: ignore[arg-type]
    root = drawn(made)
    for path in root.iter("path"):
        for command, numbers in re.findall(r"([MLHV])([^A-Za-z]*)", path.get("d", "")):
            places = [float(number) for number in PLACE.findall(numbers)]
            limits = {"H": [WIDTH], "V": [HEIGHT]}.get(command, [WIDTH, HEIGHT])
            assert all(0 <= place <= limit for place, limit in zip(places, limits, strict=True)), path.get("d")
    assert len(list(root.iter("text"))) < 30


@given(st.floats(1e-9, 1e15))
def test_round_values_reach_the_highest_and_are_few(high: float) -> None:
    values = nice(high)
    assert values[-1] >= high * 0.999_99
    assert 2 <= len(values) <= 8


@given(st.floats(1e-3, 1e6), st.floats(13, 1e9))
def test_decades_hold_the_range_and_are_few(low: float, times: float) -> None:
    values = decades(low, low * times)
    assert values[0] <= low * 1.000_001
    assert values[-1] >= low * times * 0.999_999
    assert 2 <= len(values) <= 16


@given(st.floats(1e-3, 1e12))
def test_times_on_an_axis_are_at_most_seven(end: float) -> None:
    assert 1 <= len(seconds(end)) <= 7


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.05, "0.05"), (2.5, "2.5"), (100, "100"), (4000, "4,000"), (10_000, "10k")],
)
def test_values_on_an_axis_are_short(value: float, shown: str) -> None:
    assert on_axis(value) == shown


def test_a_logarithmic_scale_gives_each_decade_the_same_room() -> None:
    scale = Scale(1, 100, 0, 200, log=True)
    assert [round(scale(value), 6) for value in (1, 10, 100, 1000)] == [0, 100, 200, 200]


def test_a_percentile_curve_goes_through_the_percentiles() -> None:
    counts = np.zeros(BUCKETS, np.int64)
    counts[np.arange(1, 2001)] = 5
    line = percentile_line("a", encode(counts))
    for nines, percent in ((1, 90), (2, 99), (3, 99.9)):
        at = int(np.argmin(np.abs(np.array(line.xs) - nines)))
        value, exact = line.ys[at], percentile(counts, percent)
        assert value is not None
        assert exact is not None
        assert value == pytest.approx(exact / 1000, rel=0.01)
    assert line.ys[-1] == 2.001 or line.ys[-1] == 2.0
    assert line.ys == sorted(y for y in line.ys if y is not None)


def test_a_percentile_curve_of_nothing_is_empty() -> None:
    assert percentile_line("a", encode(np.zeros(BUCKETS, np.int64))) == Line("a", [], [])
