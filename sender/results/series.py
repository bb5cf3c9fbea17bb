"""The run as rows over time: one a second, fewer of a long run, so that memory and file stay bounded."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from gryphon.sender.replay.measures import SESSION_FAILURES, Counter, Counters
from gryphon.sender.results.histogram import BUCKETS, Counts, percentiles_ms
from gryphon.sender.results.interval import Interval, failures

_SUMS = {
    "users_started": Counter.STARTED,
    "users_connected": Counter.CONNECTED,
    "started": Counter.SESSIONS_STARTED,
    "connected": Counter.SESSIONS_CONNECTED,
    "completed": Counter.SESSIONS_COMPLETED,
    "cut": Counter.SESSIONS_CUT,
    "packets_sent": Counter.PACKETS_SENT,
    "retransmitted": Counter.RETRANSMITTED,
    "responses": Counter.RESPONSES,
    "messages_sent": Counter.MESSAGES_SENT,
    "messages_answered": Counter.MESSAGES_ANSWERED,
    "mismatched": Counter.MISMATCHED,
    "pushed": Counter.PUSHED,
    "bytes_sent": Counter.BYTES_SENT,
    "bytes_received": Counter.BYTES_RECEIVED,
}

_SHOWN = ("p50", "p90", "p99", "max")


@dataclass(frozen=True)
class _Packed:
    """A histogram in a kilobyte or two where the whole has 23,552 numbers: 1,800 rows of three are kept for the run.

    As steps from one used bucket to the next and how often each was seen, which zlib packs to a tenth.
    """

    used: int
    width: str  # dtype of the counts: as small as holds the largest
    packed: bytes

    @classmethod
    def of(cls, counts: Counts) -> _Packed:
        buckets = np.flatnonzero(counts)
        seen = counts[buckets]
        seen = seen.astype(np.min_scalar_type(int(seen.max(initial=0))))
        steps = np.diff(buckets, prepend=0).astype(np.uint16)
        return cls(len(buckets), seen.dtype.str, zlib.compress(steps.tobytes() + seen.tobytes(), 1))

    def whole(self) -> Counts:
        content = zlib.decompress(self.packed)
        steps = np.frombuffer(content, np.uint16, self.used)
        counts = np.zeros(BUCKETS, np.int64)
        counts[np.cumsum(steps, dtype=np.int64)] = np.frombuffer(content, self.width, self.used, steps.nbytes)
        return counts

    def __add__(self, other: _Packed) -> _Packed:
        return _Packed.of(self.whole() + other.whole())


@dataclass(frozen=True)
class _Step:
    """One row to be: sums of its stretch, and ``active`` at its end."""

    time_s: float
    step_s: float
    active: int
    delta: Counters
    response: _Packed
    service: _Packed
    lateness: _Packed

    def __add__(self, later: _Step) -> _Step:
        return _Step(
            later.time_s,
            self.step_s + later.step_s,
            later.active,
            self.delta + later.delta,
            self.response + later.response,
            self.service + later.service,
            self.lateness + later.lateness,
        )

    def row(self) -> dict[str, Any]:
        """As the result file has it."""
        response = percentiles_ms(self.response.whole())
        service = percentiles_ms(self.service.whole())
        late = percentiles_ms(self.lateness.whole())
        return {
            "time_s": round(self.time_s, 3),
            "step_s": round(self.step_s, 3),
            "active": self.active,
            "failed": failures(self.delta),
            "failed_by": {
                reason: int(self.delta[counter]) for reason, counter in SESSION_FAILURES.items() if self.delta[counter]
            },
            **{name: int(self.delta[counter]) for name, counter in _SUMS.items()},
            **{f"{name}_ms": response[name] for name in _SHOWN},
            **{f"service_{name}_ms": service[name] for name in _SHOWN},
            **{f"late_{name}_ms": late[name] for name in ("p50", "p99", "max")},
        }


class Series:
    """Collects intervals; past ``limit`` rows, two neighbours become one and so does what comes after.

    One pair with each interval: all at once would hold the run up for as long as a user waits for a page.
    """

    def __init__(self, limit: int = 1800) -> None:
        """Keep at most ``limit`` rows, half an hour of seconds."""
        self._limit = limit
        self._merge = 1  # intervals that make a row
        self._steps: list[_Step] = []
        self._pairs = 0  # that are still to be merged
        self._at = 0  # where the next of them stands
        self._pending: _Step | None = None
        self._count = 0

    def add(self, interval: Interval) -> None:
        """Take the next interval."""
        step = _Step(
            interval.time_s,
            interval.step_s,
            int(interval.totals[Counter.ACTIVE]),
            interval.delta,
            _Packed.of(interval.response),
            _Packed.of(interval.service),
            _Packed.of(interval.lateness),
        )
        self._pending = step if self._pending is None else self._pending + step
        self._count += 1
        if self._count >= self._merge:
            self._close_row()
        if self._pairs:
            self._merge_pair()

    def _close_row(self) -> None:
        """Make a row of what is pending; when there are too many, from now on of twice as much."""
        assert self._pending is not None
        self._steps.append(self._pending)
        self._pending, self._count = None, 0
        if len(self._steps) > self._limit:
            if len(self._steps) % 2:
                self._pending, self._count = self._steps.pop(), self._merge
            self._pairs, self._at = len(self._steps) // 2, 0
            self._merge *= 2

    def _merge_pair(self) -> None:
        """Of two rows make one; all pairs have had their turn long before there are too many rows again."""
        one, other = self._steps[self._at : self._at + 2]
        self._steps[self._at : self._at + 2] = [one + other]
        self._at += 1
        self._pairs -= 1

    def rows(self) -> list[dict[str, Any]]:
        """All rows so far, in order of time; their sums are the counters of the run."""
        steps = [*self._steps, self._pending] if self._pending is not None else self._steps
        return [step.row() for step in steps]
