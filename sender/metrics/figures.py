"""The figures of a run as Prometheus has them, read from the shared counters: names and units by its conventions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gryphon.controller.exporter import info
from gryphon.sender.replay.measures import FAILURES, SESSION_FAILURES, Counter, Counters, Histogram
from gryphon.sender.results.histogram import BUCKETS, Counts, highest_value
from gryphon.sender.shared_measures import SharedMeasures

_GAUGES = {
    "gryphon_users_started": (Counter.STARTED, "Users that have sent their first SYN."),
    "gryphon_users_connected": (Counter.CONNECTED, "Users that have connected."),
    "gryphon_users_completed": (Counter.COMPLETED, "Users that have completed a session and failed in none."),
    "gryphon_sessions_active": (Counter.ACTIVE, "Sessions between their SYN and their end, now."),
    "gryphon_timers": (Counter.TIMERS, "Users that stand in the timer wheel, now: once each, if at all."),
}

_COUNTERS = {
    "gryphon_sessions_started": (Counter.SESSIONS_STARTED, "Sessions begun, all rounds of all users."),
    "gryphon_sessions_connected": (Counter.SESSIONS_CONNECTED, "Sessions whose handshake completed."),
    "gryphon_sessions_completed": (Counter.SESSIONS_COMPLETED, "Sessions whose every message was sent and answered."),
    "gryphon_sessions_cut": (Counter.SESSIONS_CUT, "Sessions that the end of the run's time cut short."),
    "gryphon_packets_sent": (Counter.PACKETS_SENT, "Packets sent."),
    "gryphon_packets_retransmitted": (Counter.RETRANSMITTED, "Packets that carried SYN, data or FIN again."),
    "gryphon_answers_received": (Counter.RESPONSES, "Intercepted packets of the server's for users of this run."),
    "gryphon_answers_stray": (Counter.STRAY, "Intercepted packets that belong to no user of this run."),
    "gryphon_sent_bytes": (Counter.BYTES_SENT, "Payload sent, retransmissions not counted."),
    "gryphon_received_bytes": (Counter.BYTES_RECEIVED, "Payload that the server sent, each byte once."),
    "gryphon_messages_sent": (Counter.MESSAGES_SENT, "Messages of users sent."),
    "gryphon_messages_awaited": (Counter.AWAITED, "Messages whose answer was waited for."),
    "gryphon_messages_answered": (Counter.MESSAGES_ANSWERED, "Messages whose answer came."),
    "gryphon_messages_pushed": (Counter.PUSHED, "Bursts of the server's that nobody had asked for."),
    "gryphon_answers_mismatched": (Counter.MISMATCHED, "Answers of another size or content than recorded."),
}

_LATENCIES = {
    "gryphon_connect_seconds": (
        (Histogram.CONNECT_INTENDED, Histogram.CONNECT_SERVICE),
        "Until the SYN-ACK, from the user's scheduled start (intended) or its SYN (service).",
    ),
    "gryphon_first_byte_seconds": (
        (Histogram.FIRST_BYTE_INTENDED, Histogram.FIRST_BYTE_SERVICE),
        "Until an answer's first byte, from the message's scheduled time (intended) or its sending (service).",
    ),
    "gryphon_response_seconds": (
        (Histogram.RESPONSE_INTENDED, Histogram.RESPONSE_SERVICE),
        "Until an answer's last byte, from the message's scheduled time (intended) or its sending (service).",
    ),
}

_ALONE = {
    "gryphon_lateness_seconds": (Histogram.LATENESS, "How late packets left: the generator's own lag."),
    "gryphon_push_seconds": (Histogram.PUSH, "From the time that a publisher wrote into a message to its arrival."),
}

BOUNDS_S = (*(digit * 10.0**power for power in range(-4, 2) for digit in (1, 2.5, 5)), 100.0)
"""Upper bounds of the buckets: 100 microseconds to 100 seconds, three a decade."""

_VALUES_US = np.array([highest_value(bucket) for bucket in range(BUCKETS)], np.float64)
_ENDS = np.searchsorted(_VALUES_US, np.array(BOUNDS_S) * 1e6, side="right")


@dataclass(frozen=True)
class Subject:
    """What the figures are of.

    Attributes:
        users: that the run is to have.
        way: how packets leave.
    """

    users: int
    way: str


def figures(measures: SharedMeasures, subject: Subject) -> Iterator[Metric]:
    """All of them, as they stand now."""
    yield info("gryphon_info", "What runs here.", {"transmit": subject.way})
    if measures.epoch_ns:
        started = time.time() - (time.monotonic_ns() - measures.epoch_ns) / 1e9
        yield _gauge("gryphon_run_start_time_seconds", "Unix time of the run's start.", started)
    yield _gauge("gryphon_users", "Users that the run is to have.", subject.users)
    counters = measures.counters
    for name, (counter, what) in _GAUGES.items():
        yield _gauge(name, what, int(counters[counter]))
    for name, (counter, what) in _COUNTERS.items():
        yield CounterMetricFamily(name, what, value=int(counters[counter]))
    yield from _failures(counters)
    yield CounterMetricFamily(
        "gryphon_answers_lost", "Answers lost before the ring was read.", value=measures.ring_lost
    )
    yield _statuses(measures)
    yield from _latencies(measures)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _failures(counters: Counters) -> Iterator[Metric]:
    users = GaugeMetricFamily("gryphon_users_failed", "Users by the reason of their first failure.", labels=["reason"])
    for reason, counter in FAILURES.items():
        users.add_metric([reason], int(counters[counter]))
    yield users
    sessions = CounterMetricFamily("gryphon_sessions_failed", "Sessions that failed, by reason.", labels=["reason"])
    for reason, counter in SESSION_FAILURES.items():
        sessions.add_metric([reason], int(counters[counter]))
    yield sessions


def _statuses(measures: SharedMeasures) -> Metric:
    family = CounterMetricFamily("gryphon_http_answers", "HTTP answers by status code.", labels=["code"])
    statuses = measures.statuses
    for code in np.flatnonzero(statuses):
        family.add_metric([str(code)], int(statuses[code]))
    return family


def _latencies(measures: SharedMeasures) -> Iterator[Metric]:
    histograms = measures.histograms
    for name, (pair, what) in _LATENCIES.items():
        family = HistogramMetricFamily(name, what, labels=["since"])
        for since, which in zip(("intended", "service"), pair, strict=True):
            _add(family, [since], histograms[which].copy())
        yield family
    for name, (which, what) in _ALONE.items():
        family = HistogramMetricFamily(name, what, labels=[])
        _add(family, [], histograms[which].copy())
        yield family


def _add(family: HistogramMetricFamily, labels: list[str], counts: Counts) -> None:
    """One histogram; its sum is as exact as its values' three digits."""
    upto = np.concatenate(([0], np.cumsum(counts)))
    rows = [(f"{bound:g}", int(upto[end])) for bound, end in zip(BOUNDS_S, _ENDS, strict=True)]
    family.add_metric(labels, [*rows, ("+Inf", int(upto[-1]))], sum_value=float(counts @ _VALUES_US) / 1e6)
