"""Latency histograms as the engine counts them: percentiles, and HdrHistogram's own encoding to store and merge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

Counts = npt.NDArray[np.int64]
"""How often each bucket of values in microseconds was seen: one row of ``sender.replay.measures.Histograms``."""

HIGHEST: Final = (1 << 32) - 1
BUCKETS: Final = 23 * 1024
"""Bucket count of an HdrHistogram from 1 to ``HIGHEST`` with three digits; a test compares it with the engine's."""

PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}
"""Percentiles that the result file carries, by their key."""


def highest_value(bucket: int) -> int:
    """The highest value in microseconds that falls into a bucket."""
    magnitude = max((bucket >> 10) - 1, 0)
    first = bucket if bucket < 1024 else (bucket & 1023) + 1024
    return ((first + 1) << magnitude) - 1


def percentile(counts: Counts, percent: float) -> int | None:
    """The value in microseconds that ``percent`` of all values do not exceed; None of no values.

    Equals HdrHistogram's get_value_at_percentile, bucket bounds and rounding included.
    """
    total = int(counts.sum())
    if not total:
        return None
    wanted = max(int(percent * total / 100 + 0.5), 1)
    return highest_value(int(np.searchsorted(np.cumsum(counts), wanted)))


def maximum(counts: Counts) -> int | None:
    """The highest value in microseconds, as exact as its bucket; None of no values."""
    used = np.flatnonzero(counts)
    return highest_value(int(used[-1])) if used.size else None


def milliseconds(value: int | None) -> float | None:
    """Microseconds as milliseconds."""
    return None if value is None else value / 1000


def percentiles_ms(counts: Counts) -> dict[str, float | None]:
    """Every percentile of the result file and the maximum, in milliseconds."""
    row = {name: milliseconds(percentile(counts, percent)) for name, percent in PERCENTILES.items()}
    return {**row, "max": milliseconds(maximum(counts))}


def describe(counts: Counts) -> dict[str, Any]:
    """One histogram as the result file has it: count, percentiles in milliseconds, and all of it encoded."""
    return {"count": int(counts.sum()), **percentiles_ms(counts), "hdr": encode(counts)}


def to_hdr(counts: Counts) -> HdrHistogram:
    """The library's histogram of the same values."""
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(1, HIGHEST, 3)
    np.frombuffer(histogram.counts, np.int64)[:] = counts
    used = np.flatnonzero(counts)
    if used.size:
        histogram.total_count = int(counts.sum())
        histogram.min_value = highest_value(int(used[0]))
        histogram.max_value = highest_value(int(used[-1]))
    return histogram


def encode(counts: Counts) -> str:
    """HdrHistogram's V2 compressed encoding, base64."""
    encoded: bytes = to_hdr(counts).encode()
    return encoded.decode()


def decode(text: str) -> Counts:
    """The counts of an encoded histogram; ``InputFault`` when it is not one of ours."""
    from hdrh.histogram import HdrHistogram

    try:
        histogram = HdrHistogram.decode(text.encode())
    except Exception as error:  # the library raises whatever base64, zlib and its own codec do
        raise InputFault(f"an hdr entry is not an encoded HdrHistogram: {error}") from error
    counts = np.frombuffer(histogram.counts, np.int64).copy()
    if counts.size != BUCKETS:
        raise InputFault("an hdr entry has another range or precision than gryphon's: results of gryphon merge only")
    return counts


def merge(texts: Iterable[str]) -> Counts:
    """The counts of several encoded histograms together, exact; of none, empty ones."""
    total = np.zeros(BUCKETS, np.int64)
    for text in texts:
        total += decode(text)
    return total
