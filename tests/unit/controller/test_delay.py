"""The delay histogram tells percentiles within its bucket width, however large the batches."""

from __future__ import annotations

import time

import numpy as np
import pytest
from fakes import records_of

from gryphon.controller.delay import DelayHistogram


def test_nothing_counted_is_zero() -> None:
    assert DelayHistogram().percentile(99) == 0.0


@pytest.mark.parametrize("count", [1000, 100_000])
def test_percentiles_are_within_a_bucket(count: int) -> None:
    records = records_of(1, count)
    now = time.monotonic_ns()
    delays = np.random.default_rng(3).permutation(np.linspace(1_000, 1_000_000, count)).astype(np.uint64)
    records["time_ns"] = now - delays
    histogram = DelayHistogram()
    for part in np.array_split(records, 7):
        histogram.add(part, now)
    for percent in (50, 99):
        exact = np.percentile(delays, percent) / 1000
        assert 0.85 * exact <= histogram.percentile(percent) <= 1.2 * exact


def test_delays_out_of_range_are_counted_at_the_ends() -> None:
    histogram = DelayHistogram()
    histogram.add(records_of(1, 5), time.monotonic_ns() + 10**14)
    assert histogram.percentile(50) > 1e9
