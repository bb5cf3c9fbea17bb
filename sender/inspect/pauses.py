"""The pauses that come again and again: heartbeats stand out of the think times of people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gryphon.sender.inspect.groups import Ints

SHORTEST_NS = 1_000_000
"""A client that answers faster did not pause: it computed."""

_MOST = 10


@dataclass(frozen=True)
class Pauses:
    """The think times of one service, those that agree to two digits taken together."""

    frequent: list[tuple[int, int]]  # length in ns and how often, the most frequent first
    others: int  # pauses of other lengths
    too_short: int  # think times under SHORTEST_NS


def two_digits(values: Ints) -> Ints:
    """Positive numbers rounded to two significant digits."""
    digits = np.floor(np.log10(np.maximum(values, 1))).astype(np.int64)
    unit = 10 ** np.maximum(digits - 1, 0)
    rounded: Ints = (values + unit // 2) // unit * unit
    return rounded


def pauses(think_ns: Ints, group: Ints, groups: int) -> list[Pauses]:
    """The most frequent pauses of each group; of those that are equally frequent the longest first."""
    short = think_ns < SHORTEST_NS
    shorts = np.bincount(group[short], minlength=groups)
    longs = np.bincount(group[~short], minlength=groups)
    value, owner, count = _clusters(two_digits(think_ns[~short]), group[~short])
    order = np.lexsort((-value, -count, owner))
    value, owner, count = value[order], owner[order], count[order]
    begins = np.searchsorted(owner, np.arange(groups + 1))
    result = []
    for g in range(groups):
        most = slice(begins[g], min(begins[g + 1], begins[g] + _MOST))
        frequent = list(zip(value[most].tolist(), count[most].tolist(), strict=True))
        result.append(Pauses(frequent, int(longs[g]) - sum(n for _, n in frequent), int(shorts[g])))
    return result


def _clusters(value: Ints, owner: Ints) -> tuple[Ints, Ints, Ints]:
    """Each different (value, owner) once, and how often it is there."""
    order = np.lexsort((value, owner))
    value, owner = value[order], owner[order]
    new = np.ones(len(value), np.bool_)
    new[1:] = (np.diff(value) != 0) | (np.diff(owner) != 0)
    at = np.flatnonzero(new)
    return value[at], owner[at], np.diff(np.append(at, len(value)))
