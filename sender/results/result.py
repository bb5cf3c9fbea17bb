"""The result of a run as one JSON object: the keys of ``result.schema.json``, out of plain facts."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.measures import FAILURES, SESSION_FAILURES, Counter, Counters, Histogram, Histograms
from gryphon.sender.results.histogram import describe, encode, maximum, percentile
from gryphon.sender.results.host import describe_host
from gryphon.sender.results.lateness import WhileLate
from gryphon.sender.results.thresholds import Threshold, evaluate
from gryphon.sender.results.verdict import Ending, exit_status, verdict
from gryphon.sender.whole import write_whole


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known at the end of a run; None stands for what was not measured."""

    version: str
    command: Sequence[str]  # argv; the value of --token is left out of the result
    config: Mapping[str, Any]  # options in effect, without the token
    started: datetime  # aware
    duration_s: float
    ending: Ending
    users: int  # requested
    counters: Counters
    histograms: Histograms
    recorded: int  # connections to the chosen services in the captures
    replayable: int
    rejected: Mapping[str, int]
    transmit: Mapping[str, Any]  # way and devices
    ring_lost: int = 0
    channel_delay_p99_us: float | None = None
    clock_offset_us: float | None = None  # 0 where no other host's clock is in the figures
    clock_uncertainty_us: float | None = None
    cpu_s: float = 0.0  # user and system, of the sender
    max_rss_bytes: int = 0
    intercept_cpu_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # as --config has them
    warmup_s: float = 0.0
    warm: tuple[Counters, Histograms] | None = None  # counted in that time; None: the run was over before
    while_late: WhileLate = field(default_factory=WhileLate)
    canary: Mapping[str, Any] | None = None  # as consent/shown.py has it
    http_status: Mapping[int, int] = field(default_factory=dict)
    examples: Sequence[Mapping[str, Any]] = ()
    series: Sequence[Mapping[str, Any]] = ()
    host: Mapping[str, Any] = field(default_factory=describe_host)


@dataclass(frozen=True)
class Result:
    """A result, whole: the JSON object and what follows from it."""

    document: dict[str, Any]

    @property
    def exit_status(self) -> int:
        """Of the process: 0, 1, 3 or 130."""
        return exit_status(self.document)

    def to_json(self) -> str:
        """The text of the result file."""
        return json.dumps(self.document, indent=1, allow_nan=False, default=str) + "\n"

    def write(self, destination: str) -> None:
        """Write the result to a file, ``-`` for standard output. Raises ``InputFault`` where that is not possible."""
        if destination == "-":
            sys.stdout.write(self.to_json())
            return
        try:
            write_whole(destination, self.to_json())
        except OSError as error:
            raise InputFault(f"the result cannot be written to {destination}: {error.strerror}") from error


def build_result(facts: RunFacts, thresholds: Sequence[Threshold] = ()) -> Result:
    """The result of a run, judged by the thresholds."""
    count = {counter: int(facts.counters[counter]) for counter in Counter}
    judged, histograms = _without_warmup(facts)
    document: dict[str, Any] = {
        "version": facts.version,
        "started": facts.started.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration_s": round(facts.duration_s, 6),
        "host": dict(facts.host),
        "command": shlex.join(without_token(facts.command)),
        "config": {name: value for name, value in facts.config.items() if name != "token"},
        "options": dict(facts.options),
        "verdict": "",
        "thresholds": [],
        "sessions": {"recorded": facts.recorded, "replayable": facts.replayable, "rejected": dict(facts.rejected)},
        "sessions_run": _sessions_run(count),
        "users": _users(facts.users, count),
        **_traffic(facts.ring_lost, count),
        "http_status": {str(code): number for code, number in sorted(facts.http_status.items())},
        "warmup_s": facts.warmup_s,
        "judged": _judged(facts.users, judged),
        "latency_ms": _latency(histograms),
        "pacing": _pacing(histograms, facts.while_late),
        "clock": {"offset_us": facts.clock_offset_us, "uncertainty_us": facts.clock_uncertainty_us},
        "transmit": dict(facts.transmit),
        "canary": None if facts.canary is None else dict(facts.canary),
        "channel": {"delay_p99_us": facts.channel_delay_p99_us},
        "cost": {
            "cpu_s": round(facts.cpu_s, 6),
            "max_rss_bytes": facts.max_rss_bytes,
            "intercept_cpu_s": facts.intercept_cpu_s,
        },
        "examples": [dict(row) for row in facts.examples],
        "series": [dict(row) for row in facts.series],
    }
    document["thresholds"] = evaluate(thresholds, document | document["judged"])
    well = count[Counter.SESSIONS_COMPLETED] + count[Counter.SESSIONS_CUT]
    document["verdict"] = verdict(facts.ending, well, document["thresholds"])
    return Result(document)


def _without_warmup(facts: RunFacts) -> tuple[dict[Counter, int], Histograms]:
    """Counters and histograms of what is judged: all of the run, or what came after its warm-up."""
    counters, histograms = facts.counters, facts.histograms
    if facts.warmup_s:
        warm_counters, warm_histograms = facts.warm or (counters, histograms)
        peak = counters[Counter.PEAK_ACTIVE]
        counters, histograms = counters - warm_counters, histograms - warm_histograms
        counters[Counter.PEAK_ACTIVE] = peak
    return {counter: int(counters[counter]) for counter in Counter}, histograms


def _judged(requested: int, count: Mapping[Counter, int]) -> dict[str, Any]:
    """The parts of the result that thresholds look at and a warm-up changes."""
    traffic = _traffic(0, count)
    return {
        "users": _users(requested, count),
        "sessions_run": _sessions_run(count),
        "messages": traffic["messages"],
    }


def _sessions_run(count: Mapping[Counter, int]) -> dict[str, Any]:
    """What became of the sessions, every loop counted."""
    return {
        "started": count[Counter.SESSIONS_STARTED],
        "connected": count[Counter.SESSIONS_CONNECTED],
        "completed": count[Counter.SESSIONS_COMPLETED],
        "cut": count[Counter.SESSIONS_CUT],
        "failed": {reason: count[counter] for reason, counter in SESSION_FAILURES.items()},
    }


def _users(requested: int, count: Mapping[Counter, int]) -> dict[str, Any]:
    """What became of the users; every reason of failure is there, most of them 0."""
    return {
        "requested": requested,
        "started": count[Counter.STARTED],
        "connected": count[Counter.CONNECTED],
        "completed": count[Counter.COMPLETED],
        "failed": {reason: count[counter] for reason, counter in FAILURES.items()},
        "peak_active": count[Counter.PEAK_ACTIVE],
    }


def _traffic(ring_lost: int, count: Mapping[Counter, int]) -> dict[str, dict[str, int]]:
    """Packets, bytes and messages both ways."""
    return {
        "packets": {
            "sent": count[Counter.PACKETS_SENT],
            "retransmitted": count[Counter.RETRANSMITTED],
            "responses": count[Counter.RESPONSES],
            "ring_lost": ring_lost,
        },
        "bytes": {"sent": count[Counter.BYTES_SENT], "received": count[Counter.BYTES_RECEIVED]},
        "messages": {
            "sent": count[Counter.MESSAGES_SENT],
            "answered": count[Counter.MESSAGES_ANSWERED],
            "pushed": count[Counter.PUSHED],
            "matched": count[Counter.MESSAGES_ANSWERED] - count[Counter.MISMATCHED],
            "mismatched": count[Counter.MISMATCHED],
            "other_size": count[Counter.OTHER_SIZE],
            "other_content": count[Counter.OTHER_CONTENT],
            "missing": max(count[Counter.AWAITED] - count[Counter.MESSAGES_ANSWERED], 0),
            "unawaited": max(count[Counter.MESSAGES_SENT] - count[Counter.AWAITED], 0),
            "extracted": count[Counter.EXTRACTED],
            "unextracted": count[Counter.UNEXTRACTED],
        },
    }


def _latency(histograms: Histograms) -> dict[str, dict[str, Any]]:
    """Every latency, from the intended time and from the actual send."""
    return {
        kind: {since: describe(histograms[Histogram[f"{kind}_{since}".upper()]]) for since in ("intended", "service")}
        for kind in ("connect", "first_byte", "response")
    } | {"push": describe(histograms[Histogram.PUSH])}


def _pacing(histograms: Histograms, while_late: WhileLate) -> dict[str, Any]:
    """How late packets left, in microseconds, and where the time went meanwhile."""
    counts = histograms[Histogram.LATENESS]
    return {
        "late_p50_us": percentile(counts, 50),
        "late_p99_us": percentile(counts, 99),
        "late_max_us": maximum(counts),
        "count": int(counts.sum()),
        "hdr": encode(counts),
        "while_late": while_late.document(),
    }


def without_token(command: Sequence[str]) -> list[str]:
    """A command line with the value of ``--token`` blotted out: results are passed around."""
    words: list[str] = []
    for word in command:
        if words and words[-1] == "--token":
            word = "***"
        words.append("--token=***" if word.startswith("--token=") else word)
    return words
