"""The live view's lines: every figure, 80 columns, and colour only where something is wrong."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from gryphon.sender.live.picture import Histories, Look, draw, sparkline
from gryphon.sender.replay.measures import Counter, Histogram

sys.path.append(str(Path(__file__).parents[1] / "results"))

from facts import counters, histograms


def look(ring_lost: int = 0, late: bool = False, **more: int) -> Look:
    totals = counters(**more)
    totals[[Counter.STARTED, Counter.CONNECTED, Counter.ACTIVE]] = [1_234_567, 1_200_000, 345_678]
    made = histograms()
    lateness = np.roll(made[Histogram.LATENESS], 20_000) if late else made[Histogram.LATENESS]
    response = made[Histogram.RESPONSE_INTENDED]
    return Look(83.0, 1.0, totals, totals // 10, response, response, lateness, ring_lost)


def shown(look: Look, expected_s: float | None = 120.0, columns: int = 80, colour: bool = False) -> str:
    stream = io.StringIO()
    histories = Histories()
    histories.add(look)
    console = Console(file=stream, width=columns, force_terminal=colour, color_system="standard" if colour else None)
    console.print(draw(look, histories, expected_s))
    return stream.getvalue()


def test_it_says_how_far_the_run_is_and_what_it_does() -> None:
    text = shown(look(failed_reset=2))
    first, *rest = text.splitlines()
    assert first.startswith("1:23 of about 2:00")
    assert "37 s left" in first
    assert "started 1,234,567  connected 1,200,000  active 345,678" in rest[0]
    for label in ("sessions", "packets", "messages", "response", "failed", "late"):
        assert any(line.startswith(label) for line in rest)
    assert "reset 2" in text
    assert "last second" in text
    assert "whole run" in text


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_longer_than_the_terminal(columns: int) -> None:
    lines = shown(
        look(ring_lost=12_345_678, failed_reset=999_999, failed_timeout=888_888), columns=columns
    ).splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) == 10


def test_a_run_without_an_end_has_no_bar() -> None:
    assert shown(look(), expected_s=None).splitlines()[0] == "1:23  until it is stopped"


def test_beyond_the_expected_end_answers_are_awaited() -> None:
    assert "waiting for the last answers" in shown(look(), expected_s=60.0)


def test_lost_records_are_said_where_there_are_some() -> None:
    assert "answers lost before the ring: 12" in shown(look(ring_lost=12))
    assert "lost" not in shown(look())


def test_only_what_is_wrong_is_red_or_yellow() -> None:
    assert "\x1b[31m" not in shown(look(), colour=True)
    assert "\x1b[31m" in shown(look(failed_reset=2), colour=True)
    assert "\x1b[33m" in shown(look(late=True), colour=True)


def test_a_history_is_as_high_as_its_highest_value() -> None:
    assert sparkline([0, 1, 4, 8]) == "▁▂▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""
