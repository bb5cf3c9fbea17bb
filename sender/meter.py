"""Once a second: where the run stands, on the terminal, in the series, and in a warning when the server is silent."""

from __future__ import annotations

import logging
from typing import Protocol

from gryphon.sender.replay.measures import Counter, Counters, Histograms
from gryphon.sender.results.interval import Interval
from gryphon.sender.results.interval import Meter as Differences
from gryphon.sender.results.progress import Progress, parts
from gryphon.sender.results.series import Series

log = logging.getLogger("gryphon")

SILENT_S = 3.0
"""Packets that ask for an answer leave and nothing comes back for so long: worth a word."""

_ASKING = [Counter.SESSIONS_STARTED, Counter.BYTES_SENT, Counter.RETRANSMITTED]
"""What counts them; an acknowledgement alone asks for nothing, such as the last one before a long pause or a hold."""


class Counting(Protocol):
    """What an engine counts, or several together."""

    @property
    def counters(self) -> Counters: ...
    @property
    def histograms(self) -> Histograms: ...


class Meter:
    """Looks at a running engine, and only looks.

    Args:
        counting: what it counts.
        epoch_ns: CLOCK_MONOTONIC of the run's start.
        progress: where to say how far it is.
        warmup_s: after so many seconds ``warm`` is taken.

    Attributes:
        warm: what had been counted when the warm-up was over, to the second; None before, and without one.
    """

    def __init__(
        self, counting: Counting, epoch_ns: int, progress: Progress | None = None, warmup_s: float = 0.0
    ) -> None:
        self.warm: tuple[Counters, Histograms] | None = None
        self._warmup_s = warmup_s
        self.series = Series()
        self._counting = counting
        self._epoch_ns = epoch_ns
        self._differences = Differences()
        self._progress = progress
        self._heard_s = 0.0
        self._looked_ns = -1
        self._asked = False
        self._warned = False

    def look(self, now_ns: int) -> None:
        """Take stock."""
        interval = self._interval(now_ns)
        self._watch(interval)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", "  ".join(parts(interval)))
        if self._progress is not None:
            self._progress.show(interval)

    def finish(self, now_ns: int) -> None:
        """Take stock for the last time, as of the run's end.

        Of several processes the last may have ended before the last look, which then has seen everything.
        """
        if now_ns > self._looked_ns:
            self._interval(now_ns)

    def _interval(self, now_ns: int) -> Interval:
        self._looked_ns = now_ns
        seconds = max(now_ns - self._epoch_ns, 0) / 1e9  # it may have been broken off before its start
        interval = self._differences.look(seconds, self._counting.counters, self._counting.histograms)
        self.series.add(interval)
        if self._warmup_s and self.warm is None and seconds >= self._warmup_s:
            self.warm = interval.totals, self._counting.histograms.copy()
        return interval

    def _watch(self, interval: Interval) -> None:
        """Say when the server has fallen silent, and when it is back; once each time."""
        if interval.delta[Counter.RESPONSES] > 0:
            self._heard_s, self._asked = interval.time_s, False
            if self._warned:
                log.warning("answers arrive again")
            self._warned = False
            return
        self._asked = self._asked or bool(interval.delta[_ASKING].any())
        silent = interval.time_s - self._heard_s
        if self._asked and silent >= SILENT_S and not self._warned:
            self._warned = True
            log.warning(
                "packets leave, but for %.0f s no answer has reached the intercept: is the server up, do its routes "
                "lead the forged range past the intercept, and does no other intercept still drop them (--linger)? "
                "gryphon check with the same -x, -s and -c says where they are lost",
                silent,
            )
