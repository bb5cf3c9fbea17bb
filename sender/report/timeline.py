"""The series of several senders on one clock: counts add up exactly, percentiles cannot and are the highest of each.

Each sender looks once a second, at seconds of its own. A count within a row is taken as even; the common seconds get
what the running sums say at their edges, rounded there, so that all of them together are still the totals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Row = Mapping[str, Any]
Parts = Sequence[tuple[float, Sequence[Row]]]
"""Of each sender, its start in seconds after the first one's, and its rows."""

Floats = npt.NDArray[np.float64]

MOST_ROWS: Final = 1800
_SAME_S: Final = 1e-3  # what rows' times are rounded to


def merge_series(parts: Parts) -> list[dict[str, Any]]:
    """One series out of several."""
    parts = [(start, rows) for start, rows in parts if rows]
    if not parts:
        return []
    edges = _edges(parts)
    columns: dict[str, list[Any]] = {
        "time_s": [round(float(edge), 3) for edge in edges[1:]],
        "step_s": [round(float(step), 3) for step in np.diff(edges)],
        "active": np.sum([_active(start, rows, edges) for start, rows in parts], 0).tolist(),
        "failed_by": _failed_by(parts, edges),
    }
    columns["failed"] = [sum(by.values()) for by in columns["failed_by"]]  # rounded apart, they could differ by one
    names = list(parts[0][1][0])
    for name in names:
        if name.endswith("_ms"):
            columns[name] = _highest(parts, name, edges)
        elif name not in columns:
            columns[name] = _sums(parts, edges, lambda row, name=name: row[name])  # type: ignore[misc]
    return [{name: columns[name][i] for name in names} for i in range(len(edges) - 1)]


def _failed_by(parts: Parts, edges: Floats) -> list[dict[str, int]]:
    """Failures of each common step by reason, those that there were."""
    reasons = sorted({reason for _, rows in parts for row in rows for reason in row["failed_by"]})
    by = {
        reason: _sums(parts, edges, lambda row, reason=reason: row["failed_by"].get(reason, 0))  # type: ignore[misc]
        for reason in reasons
    }
    return [{reason: by[reason][i] for reason in reasons if by[reason][i]} for i in range(len(edges) - 1)]


def _sums(parts: Parts, edges: Floats, count: Callable[[Row], int]) -> list[int]:
    """A count of all senders in each common step."""
    spread = [_spread(start, rows, edges, np.array([count(row) for row in rows], np.int64)) for start, rows in parts]
    made: list[int] = np.sum(spread, 0).tolist()
    return made


def _edges(parts: Parts) -> Floats:
    """The borders of the common steps: as long as the longest that a sender has kept."""
    end = max(start + rows[-1]["time_s"] for start, rows in parts)
    # the last row of a run is as long as it happens to be, so the middle one of each says how often it looked
    step = max(float(np.median([row["step_s"] for row in rows])) for _, rows in parts)
    step = max(1.0, round(step), end / MOST_ROWS)
    edges = np.arange(0.0, max(end, step), step)
    # a last step of a hair's breadth would be all rate and no time
    if len(edges) > 1 and end - edges[-1] < step / 4:
        edges = edges[:-1]
    return np.append(edges, max(end, float(edges[-1]) + _SAME_S))


def _ends(start: float, rows: Sequence[Row]) -> Floats:
    """The ends of the rows on the common clock, and before them the beginning of the first."""
    ends = np.array([row["time_s"] for row in rows])
    return np.concatenate([[ends[0] - rows[0]["step_s"]], ends]) + start


def _spread(start: float, rows: Sequence[Row], edges: Floats, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts of rows as counts of the common steps, with the same total."""
    running = np.concatenate([[0], np.cumsum(counts)])
    at_edges = np.rint(np.interp(edges, _ends(start, rows), running)).astype(np.int64)
    at_edges[0], at_edges[-1] = 0, running[-1]  # to the last count, also where the clocks differ by a rounding
    made: npt.NDArray[np.int64] = np.diff(at_edges)
    return made


def _active(start: float, rows: Sequence[Row], edges: Floats) -> npt.NDArray[np.int64]:
    """Open sessions at the ends of the common steps; nobody before a sender's start and after its end."""
    known = np.concatenate([[0], [row["active"] for row in rows]])
    ends = _ends(start, rows)
    inside = edges[1:] <= ends[-1] + _SAME_S
    made: npt.NDArray[np.int64] = np.where(inside, np.rint(np.interp(edges[1:], ends, known, left=0)), 0).astype(
        np.int64
    )
    return made


def _highest(parts: Parts, name: str, edges: Floats) -> list[float | None]:
    """Of a percentile the highest that a sender had in each common step: all of them together have no higher."""
    best: list[float | None] = [None] * (len(edges) - 1)
    for start, rows in parts:
        ends = _ends(start, rows)
        first = np.searchsorted(edges, ends[:-1] + _SAME_S, "right") - 1
        last = np.searchsorted(edges, ends[1:] - _SAME_S, "left") - 1
        for row, begin, end in zip(rows, first, last, strict=True):
            value = row[name]
            if value is None or not math.isfinite(value):
                continue
            for i in range(max(int(begin), 0), min(max(int(begin), int(end)), len(best) - 1) + 1):
                known = best[i]
                best[i] = value if known is None else max(known, value)
    return best
