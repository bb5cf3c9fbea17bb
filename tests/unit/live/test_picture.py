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


def shown(
    look: Look, expected_s: float | None = 120.0, columns: int = 80, colour: bool = False, seconds: int = 1
) -> str:
    stream = io.StringIO()
    histories = Histories()
    for _ in range(seconds):
        histories.add(look)
    console = Console(file=stream, width=columns, force_terminal=colour, color_system="standard" if colour else None)
    console.print(draw(look, histories, expected_s, columns))
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


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("expected_s", [36_000.0, 1.0, None])
def test_no_line_is_longer_than_the_terminal_or_cut_off(columns: int, expected_s: float | None) -> None:
    most = look(ring_lost=12_345_678, failed_reset=9_999_999, failed_timeout=888_888, completed=9_999_999)
    lines = shown(most, expected_s, columns=columns, seconds=200).splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) == 10
    assert "…" not in "".join(lines)


def test_a_history_is_as_long_as_the_terminal_is_wide() -> None:
    lengths = {columns: shown(look(), columns=columns, seconds=200).count("▇") for columns in (60, 80, 120)}
    assert lengths == {60: 3 * 38, 80: 3 * 58, 120: 3 * 98}
    assert shown(look(), seconds=5).count("▇") == 3 * 5


def test_the_most_frequent_reason_comes_first() -> None:
    assert "timeout 888k, refused 7" in shown(look(failed_refused=7, failed_timeout=888_000))


def test_a_second_in_which_nothing_was_due_has_no_lateness() -> None:
    idle = look()
    idle.lateness[:] = 0
    assert "nothing was due" in shown(idle)


def test_a_run_without_an_end_has_no_bar() -> None:
    assert shown(look(), expected_s=None).splitlines()[0] == "1:23  until it is stopped"


def test_beyond_the_expected_end_answers_are_awaited() -> None:
    assert "waiting for the last answers" in shown(look(), expected_s=60.0)
    assert "1 s left" in shown(look(), expected_s=83.2)


def test_lost_records_are_said_where_there_are_some() -> None:
    assert "answers lost before the ring: 12" in shown(look(ring_lost=12))
    assert "lost" not in shown(look())


def test_only_what_is_wrong_is_red_or_yellow() -> None:
    assert "\x1b[31m" not in shown(look(), colour=True)
    assert "\x1b[31m" in shown(look(failed_reset=2), colour=True)
    assert "\x1b[33m" in shown(look(late=True), colour=True)


def test_a_history_is_as_high_as_its_highest_value() -> None:
    assert sparkline([0, 2, 4, 7]) == "▁▃▅▇"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""
