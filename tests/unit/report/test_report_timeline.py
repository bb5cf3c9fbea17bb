"""Series on different clocks become one whose sums are exact, and which hides no peak of a latency."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import Sender

from gryphon.sender.report.timeline import MOST_ROWS, merge_series

COUNTS = ("started", "failed", "packets_sent", "bytes_received", "messages_answered")


def rows(seed: int, count: int, step: float, failing: bool = False) -> list[dict[str, Any]]:
    return Sender(seed).seconds(count, failing=failing, step=step).series.rows()


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.integers(0, 12), st.floats(0.05, 30), st.booleans()), min_size=1, max_size=3
    )
)
def test_sums_stay_exact_whatever_the_clocks(given_parts: list[tuple[float, int, float, bool]]) -> None:
    parts = [(start, rows(i, count, step, bad)) for i, (start, count, step, bad) in enumerate(given_parts)]
    merged = merge_series(parts)
    for name in COUNTS:
        assert sum(row[name] for row in merged) == sum(row[name] for _, part in parts for row in part)
    for name in ("max_ms", "p50_ms", "late_max_ms"):
        highest = max((row[name] or 0 for _, part in parts for row in part), default=0)
        assert max((row[name] or 0 for row in merged), default=0) == highest
    assert all(row["failed"] == sum(row["failed_by"].values()) for row in merged)
    assert all(value >= 0 for row in merged for value in row.values() if isinstance(value, int))
    ends = [row["time_s"] for row in merged]
    assert ends == sorted(set(ends))


def test_senders_that_look_at_once_are_added_row_by_row() -> None:
    one, two = rows(1, 5, 1.0), rows(2, 5, 1.0, failing=True)
    merged = merge_series([(0.0, one), (0.0, two)])
    for a, b, row in zip(one, two, merged, strict=True):
        assert row["time_s"] == a["time_s"]
        assert [row[name] for name in COUNTS] == [a[name] + b[name] for name in COUNTS]
        assert row["active"] == a["active"] + b["active"]
        assert row["failed_by"] == b["failed_by"]
        assert row["p99_ms"] == max(a["p99_ms"], b["p99_ms"])
    assert list(merged[0]) == list(one[0])


def test_nobody_is_there_before_a_sender_starts_and_after_it_ends() -> None:
    merged = merge_series([(0.0, rows(1, 2, 1.0)), (8.0, rows(2, 2, 1.0))])
    assert [row["active"] for row in merged[3:7]] == [0, 0, 0, 0]
    assert [row["p99_ms"] for row in merged[3:7]] == [None] * 4


def test_long_runs_stay_bounded() -> None:
    assert len(merge_series([(0.0, rows(1, 3, 20_000.0)), (5.0, rows(2, 3, 1.0))])) <= MOST_ROWS + 1


@pytest.mark.parametrize("parts", [[], [(0.0, [])], [(0.0, []), (3.0, [])]])
def test_of_nothing_comes_nothing(parts: list[tuple[float, list[Any]]]) -> None:
    assert merge_series(parts) == []
