"""What several processes count adds up, and each of them hears when it is to stop."""

from __future__ import annotations

import os
import select
import time

import numpy as np

from gryphon.sender.process import Process
from gryphon.sender.replay.measures import Counter, Histogram
from gryphon.sender.shared_measures import ALONE_NS, SharedMeasures, Told


def test_counters_histograms_and_statuses_are_sums() -> None:
    together = SharedMeasures(3)
    for number, share in enumerate(together.shares, 1):
        share.counters[Counter.STARTED] = number
        share.histograms[Histogram.LATENESS, 5] = 10 * number
        share.statuses[404] = 100 * number
    assert together.counters[Counter.STARTED] == 6
    assert together.histograms[Histogram.LATENESS, 5] == 60 == together.histograms.sum()
    assert together.statuses[404] == 600


def test_the_peak_is_the_highest_sum_that_was_seen_and_no_less_than_one_share_had() -> None:
    together = SharedMeasures(2)
    one, other = together.shares
    one.counters[[Counter.ACTIVE, Counter.PEAK_ACTIVE]] = [5, 9]
    assert together.counters[Counter.PEAK_ACTIVE] == 9
    other.counters[[Counter.ACTIVE, Counter.PEAK_ACTIVE]] = [7, 7]
    assert together.counters[Counter.PEAK_ACTIVE] == 12
    one.counters[Counter.ACTIVE] = other.counters[Counter.ACTIVE] = 0
    assert together.counters[Counter.PEAK_ACTIVE] == 12


def test_another_process_counts_where_we_look_and_hears_us() -> None:
    together = SharedMeasures(1)
    told = Told(together, os.getpid())

    def count() -> int:
        together.shares[0].counters[Counter.STARTED] = 42
        while not told.signals:
            pass
        return told.signals

    process = Process(count, [])
    together.signals = 2
    while not process.has_ended():
        select.select([process.pipe], [], [], 10)
    assert process.result() == 2
    assert together.counters[Counter.STARTED] == 42
    process.close()


def test_without_its_parent_a_process_stops() -> None:
    assert Told(SharedMeasures(1), os.getppid()).signals == 0
    assert Told(SharedMeasures(1), os.getpid()).signals == 1


def test_a_parent_that_stands_still_counts_as_gone() -> None:
    measures = SharedMeasures(1)
    told = Told(measures, os.getppid())
    measures.looked_ns = time.monotonic_ns() - ALONE_NS + 5_000_000_000
    assert told.signals == 0
    measures.looked_ns = time.monotonic_ns() - ALONE_NS
    assert told.signals == 1


def test_shares_lie_apart() -> None:
    together = SharedMeasures(2)
    for array in together.shares[0]:
        array[:] = 1
    assert all(not np.any(array) for array in together.shares[1])
    assert together.signals == 0
