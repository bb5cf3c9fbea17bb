"""The offset between two hosts' monotonic clocks, from heartbeats: minimum-RTT sample, drift followed.

A heartbeat gives four times, as in NTP (RFC 5905, section 8): sent and returned on our clock, received and answered
on theirs. The true offset lies within half the round trip of the estimate, however unequal the two ways were.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from gryphon.controller.source import Clock

_DRIFT_UNKNOWN = 100e-6
"""Bound assumed before a drift was measured: crystals stay below it, and so does NTP's usual slewing."""
_DRIFT_LIMIT = 500e-6
"""The kernel slews no faster (adjtimex(2), MAXFREQ)."""
_BASELINE_NS = 5_000_000_000
"""Samples must be this far apart to tell drift from jitter."""


class Sample(NamedTuple):
    """One heartbeat: when (our clock), their clock minus ours, and the round trip; nanoseconds."""

    at_ns: int
    offset_ns: int
    rtt_ns: int


class ClockEstimate:
    """Follows the offset of a remote clock over the last ``window`` heartbeats."""

    def __init__(self, window: int = 64) -> None:
        self._samples: deque[Sample] = deque(maxlen=window)
        self._drift = 0.0
        self._drift_error = _DRIFT_UNKNOWN

    def add(self, sent: int, received: int, answered: int, returned: int) -> None:
        """Take one heartbeat's four times (nanoseconds): ours, theirs, theirs, ours."""
        rtt = (returned - sent) - (answered - received)
        if rtt < 0:  # a clock was stepped in between, or the other end makes times up
            return
        offset = ((received - sent) + (answered - returned)) // 2
        self._samples.append(Sample((sent + returned) // 2, offset, rtt))
        self._follow_drift()

    def at(self, now: int) -> Clock:
        """Offset and uncertainty at the local time ``now``; (0, 0) before the first heartbeat."""
        if not self._samples:
            return Clock(0, 0)
        best = min(self._samples, key=lambda sample: self._uncertainty(sample, now))
        drifted = int(self._drift * (now - best.at_ns))
        return Clock(best.offset_ns + drifted, self._uncertainty(best, now))

    def _uncertainty(self, sample: Sample, now: int) -> int:
        return sample.rtt_ns // 2 + int(abs(now - sample.at_ns) * self._drift_error)

    def _follow_drift(self) -> None:
        middle = (self._samples[0].at_ns + self._samples[-1].at_ns) // 2
        older = [sample for sample in self._samples if sample.at_ns <= middle]
        newer = [sample for sample in self._samples if sample.at_ns > middle]
        if not older or not newer:
            return
        first = min(older, key=lambda sample: sample.rtt_ns)
        last = min(newer, key=lambda sample: sample.rtt_ns)
        apart = last.at_ns - first.at_ns
        if apart < _BASELINE_NS:
            return
        error = (first.rtt_ns + last.rtt_ns) / 2 / apart
        if error >= _DRIFT_UNKNOWN:
            return
        drift = (last.offset_ns - first.offset_ns) / apart
        if abs(drift) <= _DRIFT_LIMIT:
            self._drift, self._drift_error = drift, error
