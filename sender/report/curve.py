"""Percentile curves out of encoded histograms: on the axis every step of ten is one nine more."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gryphon.sender.report.figure import Line
from gryphon.sender.results.histogram import decode, highest_value

POINTS: Final = 120
MOST_NINES: Final = 6.0


def percentile_line(name: str, hdr: str) -> Line:
    """Latency in milliseconds over log10(1 / (1 - p)): 1 is 90 %, 2 is 99 %. It ends where one value is left above."""
    counts = decode(hdr)
    total = int(counts.sum())
    if total <= 0:
        return Line(name, [], [])
    running = np.cumsum(counts)
    xs = np.linspace(0.0, min(max(math.log10(total), 0.3), MOST_NINES), POINTS)
    ranks = np.clip(np.ceil((1.0 - 10.0**-xs) * total), 1, total)
    buckets = np.searchsorted(running, ranks)
    buckets[-1] = np.flatnonzero(counts)[-1]
    return Line(name, [round(float(x), 3) for x in xs], [highest_value(int(bucket)) / 1000 for bucket in buckets])
