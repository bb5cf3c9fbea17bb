"""What happened between two looks at a running engine: the one source of the progress line and of the series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gryphon.sender.replay.measures import SESSION_FAILURES, Counter, Counters, Histogram, Histograms
from gryphon.sender.results.histogram import Counts


@dataclass(frozen=True)
class Interval:
    """One stretch of a run."""

    time_s: float  # its end, from the start of the run
    step_s: float  # its length
    totals: Counters  # since the start
    delta: Counters  # within it; ACTIVE and PEAK_ACTIVE are no sums, see totals
    response: Counts  # latencies from the intended time, within it
    lateness: Counts
    service: Counts  # latencies from the actual send, within it

    def failed(self) -> int:
        """Sessions that failed within it."""
        return failures(self.delta)


def failures(counters: Counters) -> int:
    """Failed sessions of every reason."""
    return int(sum(counters[counter] for counter in SESSION_FAILURES.values()))


class Meter:
    """Takes differences of counters that only an engine writes; it reads them and nothing else."""

    def __init__(self) -> None:
        """Start from zero."""
        self._time_s = 0.0
        self._totals = np.zeros(len(Counter), np.int64)
        self._rows: dict[Histogram, Counts] = {}

    def look(self, time_s: float, counters: Counters, histograms: Histograms) -> Interval:
        """The stretch since the last look; ``time_s`` counts from the start of the run."""
        totals = counters.copy()
        interval = Interval(
            time_s,
            time_s - self._time_s,
            totals,
            totals - self._totals,
            self._since(Histogram.RESPONSE_INTENDED, histograms),
            self._since(Histogram.LATENESS, histograms),
            self._since(Histogram.RESPONSE_SERVICE, histograms),
        )
        self._time_s, self._totals = time_s, totals
        return interval

    def _since(self, which: Histogram, histograms: Histograms) -> Counts:
        """What a histogram gained since the last look."""
        now: Counts = histograms[which].copy()
        before = self._rows.get(which)
        self._rows[which] = now
        return now if before is None else now - before
