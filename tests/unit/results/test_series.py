"""Rows over time add up to the totals of the run, however long it was, and their memory is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from facts import counts_of
from hypothesis import given
from hypothesis import strategies as st

from gryphon.sender.replay.measures import Counter, Histogram, new_counters, new_histograms, record_value
from gryphon.sender.results.histogram import BUCKETS, percentiles_ms
from gryphon.sender.results.interval import Meter
from gryphon.sender.results.series import Series, _Packed, _Step


class Run:
    """A run that starts a session and answers a message with every second, slower each time."""

    def __init__(self, limit: int = 1800) -> None:
        self.counters, self.histograms = new_counters(), new_histograms()
        self.meter, self.series = Meter(), Series(limit)
        self.latencies: list[int] = []

    def seconds(self, count: int) -> Run:
        for _ in range(count):
            time = len(self.latencies) + 1
            self.latencies.append(1000 * time)
            self.counters[Counter.SESSIONS_STARTED] += 1
            self.counters[Counter.MESSAGES_ANSWERED] += 2
            self.counters[Counter.SESSIONS_RESET] += 1
            self.counters[Counter.MISMATCHED] += time % 2
            self.counters[Counter.STARTED] += 1
            self.counters[Counter.ACTIVE] = time
            record_value(self.histograms[Histogram.RESPONSE_INTENDED], 1000 * time)
            record_value(self.histograms[Histogram.RESPONSE_SERVICE], 500 * time)
            record_value(self.histograms[Histogram.LATENESS], time)
            self.series.add(self.meter.look(float(time), self.counters, self.histograms))
        return self


def test_a_row_tells_of_its_second_alone() -> None:
    row = Run().seconds(3).series.rows()[2]
    assert (row["time_s"], row["step_s"], row["started"], row["messages_answered"], row["failed"]) == (3, 1, 1, 2, 1)
    assert (row["active"], row["p50_ms"], row["max_ms"]) == (3, 3.001, 3.001)
    assert (row["service_p50_ms"], row["service_max_ms"]) == (1.5, 1.5)
    assert (row["late_p50_ms"], row["late_p99_ms"], row["late_max_ms"]) == (0.003, 0.003, 0.003)
    assert (row["failed_by"], row["users_started"], row["mismatched"]) == ({"reset": 1}, 1, 1)


@pytest.mark.parametrize("seconds", [1, 8, 9, 10, 16, 17, 31, 64, 65, 100, 257])
def test_rows_stay_few_and_add_up(seconds: int) -> None:
    run = Run(limit=8).seconds(seconds)
    rows = run.series.rows()
    assert len(rows) <= 9
    assert sum(row["started"] for row in rows) == seconds
    assert sum(row["messages_answered"] for row in rows) == 2 * seconds
    assert sum(row["failed_by"]["reset"] for row in rows) == sum(row["failed"] for row in rows) == seconds
    assert sum(row["step_s"] for row in rows) == seconds
    assert rows[-1]["time_s"] == seconds
    ends = np.cumsum([row["step_s"] for row in rows])
    assert ends.tolist() == [row["time_s"] for row in rows]
    assert [row["active"] for row in rows] == ends.tolist()


def test_percentiles_of_a_merged_row_are_those_of_all_its_values() -> None:
    run = Run(limit=8).seconds(64)
    first = run.series.rows()[0]
    assert first["step_s"] > 1
    values = percentiles_ms(counts_of(run.latencies[: int(first["step_s"])]))
    assert [first["p50_ms"], first["p99_ms"], first["max_ms"]] == [values["p50"], values["p99"], values["max"]]


def test_looking_changes_nothing_that_the_engine_counts() -> None:
    run = Run().seconds(2)
    counters, histograms = run.counters.copy(), run.histograms.copy()
    interval = run.meter.look(3.0, run.counters, run.histograms)
    assert (run.counters == counters).all()
    assert (run.histograms == histograms).all()
    assert not interval.delta.any()
    assert interval.response.sum() == 0


def test_no_second_merges_more_than_one_pair_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what it adds to the row to come: the run waits for it."""
    merged = 0
    add = _Step.__add__

    def counting(one: _Step, later: _Step) -> _Step:
        nonlocal merged
        merged += 1
        return add(one, later)

    monkeypatch.setattr(_Step, "__add__", counting)
    run, most = Run(limit=32), 0
    for _ in range(200):
        merged = 0
        run.seconds(1)
        most = max(most, merged)
    assert most == 2
    assert len({row["step_s"] for row in run.series.rows()[:-1]}) == 1


@given(st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 1 << 62), max_size=50))
def test_a_packed_histogram_is_the_same_again(seen: dict[int, int]) -> None:
    counts = np.zeros(BUCKETS, np.int64)
    counts[list(seen)] = list(seen.values())
    assert (_Packed.of(counts).whole() == counts).all()


def test_a_second_of_thousands_of_latencies_is_kept_in_a_few_kilobytes() -> None:
    """1,800 rows of three histograms each are then some 10 MB, where 23,552 numbers each would be a gigabyte."""
    latencies = np.random.default_rng(1).lognormal(8, 1, 3500).astype(int)
    assert len(_Packed.of(counts_of(latencies.tolist())).packed) < 3000
