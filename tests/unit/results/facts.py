"""A run that the tests of results share: known counters and latencies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gryphon.sender.replay.measures import (
    Counter,
    Counters,
    Histogram,
    Histograms,
    new_counters,
    new_histograms,
    record_value,
)
from gryphon.sender.results.histogram import Counts
from gryphon.sender.results.result import RunFacts
from gryphon.sender.results.verdict import Ending


def counts_of(values: Any) -> Counts:
    """The engine's histogram of values in microseconds."""
    counts = new_histograms()[0]
    for value in values:
        record_value(counts, int(value))
    return counts


def counters(**values: int) -> Counters:
    """Counters of a good run of 1,000 users, but for those given."""
    row = new_counters()
    good = {
        "started": 1000,
        "connected": 1000,
        "completed": 1000,
        "sessions_started": 1000,
        "sessions_connected": 1000,
        "sessions_completed": 1000,
        "peak_active": 840,
        "packets_sent": 12_034,
        "retransmitted": 12,
        "responses": 11_020,
        "bytes_sent": 1_234_567,
        "bytes_received": 56_100_000,
        "messages_sent": 3000,
        "messages_answered": 3000,
        "awaited": 3000,
    }
    # without loops a user's failure is a session's
    sessions = {name.replace("failed_", "sessions_"): value for name, value in values.items() if "failed_" in name}
    for name, value in {**good, **sessions, **values}.items():
        row[Counter[name.upper()]] = value
    return row


def histograms() -> Histograms:
    """Latencies of 1 to 2, 2 to 3 and 3 to 4 ms, 10 ms more from when due, and lateness up to 100 us."""
    made = new_histograms()
    for kind, least in (("CONNECT", 1000), ("FIRST_BYTE", 2000), ("RESPONSE", 3000)):
        for since, extra in (("INTENDED", 10_000), ("SERVICE", 0)):
            for value in range(least + extra, least + extra + 1000):
                record_value(made[Histogram[f"{kind}_{since}"]], value)
    for value in range(101):
        record_value(made[Histogram.LATENESS], value)
    return made


def facts(**changes: Any) -> RunFacts:
    """The facts of that run, but for those given."""
    usual: dict[str, Any] = {
        "version": "0.1.0",
        "command": ["gryphon", "send", "-x", "80-10.16.15.118:80", "-f", "my capture.pcap"],
        "config": {"users": 1000, "accelerate": 2},
        "started": datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC),
        "duration_s": 10.25,
        "ending": Ending.FINISHED,
        "users": 1000,
        "counters": counters(),
        "histograms": histograms(),
        "recorded": 5,
        "replayable": 4,
        "rejected": {"no_syn": 1},
        "transmit": {"way": "raw", "devices": []},
    }
    return RunFacts(**{**usual, **changes})
