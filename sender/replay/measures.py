"""What the engine measures: the numbers of its counters and the layout of its latency histograms.

The histograms have the bucket layout of HdrHistogram (lowest value 1, three significant digits), so that the library
merges, encodes and reports what a compiled loop has recorded.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gryphon.sender.compiled import kernel

STATUSES = 600
"""HTTP status codes are below."""

Counters = npt.NDArray[np.int64]
"""One number per ``Counter``."""

Histograms = npt.NDArray[np.int64]
"""Shape (len(Histogram), HISTOGRAM_BUCKETS): how often each value in microseconds was seen."""


class Counter(enum.IntEnum):
    """Index of each counter of the engine."""

    STARTED = 0  # users that sent their first SYN (each user once)
    CONNECTED = 1  # users that have connected (each user once)
    COMPLETED = 2  # users that have completed a session and failed in none
    SESSIONS_STARTED = 3  # loops counted
    SESSIONS_COMPLETED = 4  # every message was sent and answered
    ACTIVE = 5  # sessions between their SYN and their end, now
    PEAK_ACTIVE = 6
    PACKETS_SENT = 7
    RETRANSMITTED = 8  # packets that carried SYN, data or FIN again
    RESPONSES = 9  # records of this run that reached the engine
    STRAY = 10  # records that belong to no user of this run
    BYTES_SENT = 11  # payload, retransmissions not counted
    BYTES_RECEIVED = 12  # payload, in order, each byte once
    MESSAGES_SENT = 13
    MESSAGES_ANSWERED = 14
    PUSHED = 15  # server bursts that nobody waited for
    MISMATCHED = 16  # answers of another size or content than recorded
    SESSIONS_CONNECTED = 17  # whose handshake completed
    SESSIONS_CUT = 18  # ended in the middle when the run's time was over
    UNEXTRACTED = 19  # fields sent as recorded, for no answer had given their value
    EXTRACTED = 20  # values taken out of answers
    AWAITED = 21  # messages whose answer was waited for
    OTHER_SIZE = 22  # answers of another size than recorded
    OTHER_CONTENT = 23  # answers that began otherwise
    FAILED_REFUSED = 24  # users, by the reason of their first failure
    FAILED_UNREACHABLE = 25
    FAILED_RESET = 26
    FAILED_EARLY_CLOSE = 27
    FAILED_TIMEOUT = 28
    FAILED_PMTU = 29
    FAILED_SEND_ERROR = 30
    FAILED_ABORTED = 31
    SESSIONS_REFUSED = 32  # sessions, by reason, in the same order
    SESSIONS_UNREACHABLE = 33
    SESSIONS_RESET = 34
    SESSIONS_EARLY_CLOSE = 35
    SESSIONS_TIMEOUT = 36
    SESSIONS_PMTU = 37
    SESSIONS_SEND_ERROR = 38
    SESSIONS_ABORTED = 39
    TIMERS = 40  # rows that stand in the timer wheel, now


FAILURES = {
    counter.name.removeprefix("FAILED_").lower(): counter for counter in Counter if counter.name.startswith("FAILED_")
}
"""Failure reason, as the result file spells it, to its counter of users."""

SESSION_FAILURES = {reason: Counter[f"SESSIONS_{reason.upper()}"] for reason in FAILURES}
"""Failure reason to its counter of sessions."""


class Histogram(enum.IntEnum):
    """Index of each histogram, values in microseconds."""

    CONNECT_INTENDED = 0  # from the scheduled start to the SYN-ACK
    CONNECT_SERVICE = 1  # from the SYN to the SYN-ACK
    FIRST_BYTE_INTENDED = 2
    FIRST_BYTE_SERVICE = 3
    RESPONSE_INTENDED = 4  # to the answer's last byte
    RESPONSE_SERVICE = 5
    LATENESS = 6  # from a packet's scheduled time to its being sent
    PUSH = 7  # from the time that a publisher wrote into a message to its arrival


HISTOGRAM_MAX = (1 << 32) - 1
"""Highest recordable value: 71 minutes in microseconds."""

_HALF_MAGNITUDE = 10  # three digits: 2,048 sub-buckets, of which the upper half repeats per power of two
_SUB_BUCKETS = 1 << (_HALF_MAGNITUDE + 1)
HISTOGRAM_BUCKETS = (32 - _HALF_MAGNITUDE + 1) * (_SUB_BUCKETS >> 1)


@kernel
def bucket_of(value: int) -> int:
    """The bucket that counts a value (microseconds, clamped to 0..HISTOGRAM_MAX)."""
    value = min(max(value, 0), HISTOGRAM_MAX)
    power = 0
    while (value >> power) >= _SUB_BUCKETS:
        power += 1
    return (power << _HALF_MAGNITUDE) + (value >> power)


@kernel
def record_value(counts: npt.NDArray[np.int64], value: int) -> None:
    """Count one value in one histogram's row."""
    counts[bucket_of(value)] += 1


def new_counters() -> Counters:
    """All counters at zero."""
    return np.zeros(len(Counter), np.int64)


def new_histograms() -> Histograms:
    """All histograms empty."""
    return np.zeros((len(Histogram), HISTOGRAM_BUCKETS), np.int64)


class Measures(NamedTuple):
    """What an engine counts, live: it writes, and others look. Those of several engines add up."""

    counters: Counters  # one number per Counter
    histograms: Histograms  # one row per Histogram
    statuses: npt.NDArray[np.int64]  # answers by HTTP status code

    @classmethod
    def new(cls) -> Measures:
        """All at zero."""
        return cls.over(np.zeros(cls.size(), np.int64))

    @classmethod
    def size(cls) -> int:
        """Numbers in all of it."""
        return len(Counter) + len(Histogram) * HISTOGRAM_BUCKETS + STATUSES

    @classmethod
    def over(cls, memory: npt.NDArray[np.int64]) -> Measures:
        """In memory of ``size()`` numbers that may be shared with another process."""
        counters, histograms, statuses = np.split(memory, [len(Counter), len(memory) - STATUSES])
        return cls(counters, histograms.reshape(len(Histogram), HISTOGRAM_BUCKETS), statuses)
