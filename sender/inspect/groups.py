"""Figures for many services at once, by sorting: percentiles and the most that was open at one time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_SHARES = (50, 90, 99, 100)


@dataclass(frozen=True)
class Spread:
    """How values lie; None where there are none. Every figure is one of the values (nearest rank)."""

    count: int
    p50: int | None
    p90: int | None
    p99: int | None
    max: int | None


def spreads(values: npt.NDArray[Any], group: Ints, groups: int) -> list[Spread]:
    """The spread of the values of each group."""
    counts = np.bincount(group, minlength=groups)
    ordered = values[np.lexsort((values, group))]
    first = np.cumsum(counts) - counts
    # the smallest rank that has the share at or below it, in whole numbers: floats would miss it now and then
    columns = [first + np.maximum(-(-counts * share // 100), 1) - 1 for share in _SHARES]
    rows = np.stack(columns, axis=1)
    return [
        Spread(int(count), *(int(value) for value in ordered[row])) if count else Spread(0, None, None, None, None)
        for count, row in zip(counts, rows, strict=True)
    ]


def peaks(start: Ints, end: Ints, group: Ints, groups: int) -> Ints:
    """The most members of each group that were open at one time; one that ends when another starts overlaps it."""
    most = np.zeros(groups, np.int64)
    if len(start) == 0:
        return most
    times, both = np.concatenate((start, end)), np.concatenate((group, group))
    ends = np.repeat(np.array([0, 1], np.int8), len(start))
    order = np.lexsort((ends, times, both))
    open_ = np.cumsum(1 - 2 * ends[order].astype(np.int64))  # every group adds up to 0
    np.maximum.at(most, both[order], open_)
    return most
