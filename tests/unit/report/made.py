"""Results of runs that the tests of reports share, made by the code that makes those of real runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from gryphon.sender.replay.measures import (
    SESSION_FAILURES,
    Counter,
    Counters,
    Histogram,
    Histograms,
    new_counters,
    new_histograms,
    record_value,
)
from gryphon.sender.results.interval import Meter
from gryphon.sender.results.result import RunFacts, build_result
from gryphon.sender.results.series import Series
from gryphon.sender.results.thresholds import parse_all
from gryphon.sender.results.verdict import Ending

START = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)


class Sender:
    """One sender's run, second by second: users come, messages are answered, some users fail."""

    def __init__(self, seed: int = 1) -> None:
        self.counters: Counters = new_counters()
        self.histograms: Histograms = new_histograms()
        self.random = np.random.default_rng(seed)
        self.series, self.meter = Series(), Meter()
        self.time_s = 0.0

    def seconds(self, count: int, *, failing: bool = False, step: float = 1.0) -> Sender:
        for _ in range(count):
            self._second(failing)
            self.time_s += step
            self.series.add(self.meter.look(self.time_s, self.counters, self.histograms))
        return self

    def _second(self, failing: bool) -> None:
        new, c = int(self.random.integers(1, 40)), self.counters
        for counter in (Counter.STARTED, Counter.CONNECTED, Counter.SESSIONS_STARTED, Counter.SESSIONS_CONNECTED):
            c[counter] += new
        c[Counter.SESSIONS_COMPLETED] += new - 1
        c[Counter.COMPLETED] += new - 1
        for name, each in (("PACKETS_SENT", 7), ("RESPONSES", 5), ("MESSAGES_SENT", 3), ("MESSAGES_ANSWERED", 3)):
            c[Counter[name]] += each * new
        c[Counter.BYTES_SENT] += 300 * new
        c[Counter.BYTES_RECEIVED] += 4000 * new
        c[Counter.ACTIVE] = int(self.random.integers(1, 90))
        c[Counter.PEAK_ACTIVE] = max(c[Counter.PEAK_ACTIVE], c[Counter.ACTIVE])
        if failing:
            c[Counter.RETRANSMITTED] += new
            c[Counter.MISMATCHED] += 1
            for counter in SESSION_FAILURES.values():
                c[counter] += int(self.random.integers(0, 5))
            c[Counter.FAILED_TIMEOUT] += 1
        for which in Histogram:
            if which is not Histogram.PUSH:
                for value in self.random.lognormal(8, 1.5, 20):
                    record_value(self.histograms[which], int(value))

    def document(self, **changes: Any) -> dict[str, Any]:
        """Its result, as read from the file."""
        return document(
            counters=self.counters,
            histograms=self.histograms,
            series=self.series.rows(),
            duration_s=self.time_s,
            users=int(self.counters[Counter.STARTED]),
            **changes,
        )


def document(*, fail_if: str = "failed>1%, p99>2s", **changes: Any) -> dict[str, Any]:
    """The result of these facts; what is not given is that of a run in which nothing happened."""
    usual: dict[str, Any] = {
        "version": "0.1.0",
        "command": ["gryphon", "send", "-x", "80-10.16.15.118:80", "-f", "my capture.pcap", "-c", "10.17.15.*"],
        "config": {"users": 1000, "speed": 2.0, "files": ["my capture.pcap"], "hold_s": None},
        "started": START,
        "duration_s": 0.25,
        "ending": Ending.FINISHED,
        "users": 1000,
        "counters": new_counters(),
        "histograms": new_histograms(),
        "recorded": 5,
        "replayable": 4,
        "rejected": {"no_syn": 1},
        "transmit": {"way": "raw", "devices": []},
        "clock_offset_us": -12.5,
        "clock_uncertainty_us": 3.0,
        "channel_delay_p99_us": 45.0,
        "intercept_cpu_s": 0.5,
        "http_status": {200: 998, 404: 2},
        "host": {"kernel": "Linux 6.1", "cpu": "A Processor", "cores": 2, "memory_bytes": 8 << 30, "python": "3.11"},
        "examples": [EXAMPLE],
    }
    made: dict[str, Any] = json.loads(build_result(RunFacts(**{**usual, **changes}), parse_all([fail_if])).to_json())
    return made


EXAMPLE = {
    "kind": "timeout",
    "address": "10.17.15.7",
    "port": 33_000,
    "user": 7,
    "loop": 0,
    "session": 2,
    "message": 1,
    "time_s": 3.25,
}


def later(seconds: float) -> datetime:
    """A start so long after the usual one."""
    return START + timedelta(seconds=seconds)
