"""Percentiles, concurrency, pauses and losses are those that counting one by one gives."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gryphon.sender.capture.recording import CONNECTION
from gryphon.sender.inspect.groups import Spread, peaks, spreads
from gryphon.sender.inspect.losses import losses
from gryphon.sender.inspect.pauses import pauses, two_digits

members = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, 50)), max_size=60)


@given(members)
def test_every_percentile_is_the_nearest_rank_of_its_group(rows: list[tuple[int, int, int]]) -> None:
    group, values = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    for number, spread in enumerate(spreads(values, group, 5)):
        mine = sorted(value for which, value, _ in rows if which == number)
        ranks = [mine[math.ceil(len(mine) * share / 100) - 1] if mine else None for share in (50, 90, 99, 100)]
        assert spread == Spread(len(mine), *ranks)


@given(members)
def test_the_peak_is_the_most_that_was_open_at_any_start(rows: list[tuple[int, int, int]]) -> None:
    group, start, length = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    for number, peak in enumerate(peaks(start, start + length, group, 5)):
        mine = [(at, at + lasts) for which, at, lasts in rows if which == number]
        assert peak == max((sum(a <= at <= b for a, b in mine) for at, _ in mine), default=0)


def test_lengths_are_rounded_to_two_digits() -> None:
    values = np.array([1, 9, 10, 99, 104, 105, 995, 29_960_000_000, 30_400_000_000], np.int64)
    assert two_digits(values).tolist() == [1, 9, 10, 99, 100, 110, 1000, 30_000_000_000, 30_000_000_000]


def test_a_heartbeat_stands_out_of_scattered_pauses() -> None:
    second = 1_000_000_000
    beats = 30 * second + np.arange(-40, 40, dtype=np.int64) * 1_000_000
    scattered = np.array([second, 2 * second, 7 * second, 7 * second], np.int64)
    short = np.full(5, 400_000, np.int64)
    think = np.concatenate((scattered, beats, short))
    found, nothing = pauses(think, np.zeros(len(think), np.int64), 2)
    assert found.frequent == [(30 * second, 80), (7 * second, 2), (2 * second, 1), (second, 1)]
    assert (found.others, found.too_short) == (0, 5)
    assert (nothing.frequent, nothing.others, nothing.too_short) == ([], 0, 0)


def test_what_is_not_among_the_most_frequent_is_counted() -> None:
    think = np.repeat(np.arange(1, 21, dtype=np.int64) * 10_000_000_000, 3)
    (found,) = pauses(think, np.zeros(60, np.int64), 1)
    assert (len(found.frequent), found.others) == (10, 30)


def test_the_seconds_that_lost_most_connections_come_first() -> None:
    rows = np.zeros(6, CONNECTION)
    rows["missing"] = [100, 0, 5, 6, 2000, 1]
    rows["hole_ns"] = np.array([7.0, 0, 9.1, 9.9, 8.5, 11]) * 1e9
    found = losses(rows)
    assert (found.connections, found.bytes) == (5, 2112)
    told = [(second.start_ns // 10**9, second.connections, second.bytes) for second in found.seconds]
    assert told == [(9, 2, 11), (8, 1, 2000), (7, 1, 100), (11, 1, 1)]


def test_a_whole_capture_loses_nothing() -> None:
    found = losses(np.zeros(3, CONNECTION))
    assert (found.connections, found.bytes, found.seconds) == (0, 0, [])
