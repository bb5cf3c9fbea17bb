"""Rows of a series as a figure can show them: no more than there is room for, none too short to give a rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Row = Mapping[str, Any]

_SHORTEST: Final = 0.5
"""A step shorter than this part of the usual one joins its neighbour: a tenth of a second gives no rate."""


def thin(rows: Sequence[Row], most: int) -> list[dict[str, Any]]:
    """At most so many rows, neighbours joined: sums of counts, of latencies and open sessions the highest.

    A peak stays as high as it was. The sums over all rows stay what they were.
    """
    if not rows:
        return []
    each = -(-len(rows) // most)
    groups = [list(rows[first : first + each]) for first in range(0, len(rows), each)]
    usual = sorted(_length(group) for group in groups)[len(groups) // 2]
    if len(groups) > 1 and _length(groups[-1]) < _SHORTEST * usual:
        last = groups.pop()
        groups[-1] += last
    return [_join(group) for group in groups]


def _length(rows: Sequence[Row]) -> float:
    return float(sum(row["step_s"] for row in rows))


def _join(rows: Sequence[Row]) -> dict[str, Any]:
    """One row out of neighbours."""
    if len(rows) == 1:
        return dict(rows[0])
    joined = dict(rows[-1])
    for name in joined:
        if name.endswith("_ms"):
            joined[name] = max((row[name] for row in rows if row[name] is not None), default=None)
        elif name == "active":
            joined[name] = max(row[name] for row in rows)
        elif name == "failed_by":
            reasons = {reason for row in rows for reason in row[name]}
            joined[name] = {reason: sum(row[name].get(reason, 0) for row in rows) for reason in sorted(reasons)}
        elif name != "time_s":
            joined[name] = sum(row[name] for row in rows)
    return joined
