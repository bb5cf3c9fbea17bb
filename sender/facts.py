"""What is known of a run when it is over, of one engine or of several together, as the result file wants it."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import reduce
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gryphon.sender.meter import Counting
from gryphon.sender.play import Outcome
from gryphon.sender.prepare import Prepared
from gryphon.sender.redact import without_secrets
from gryphon.sender.replay.examples import EACH, KINDS
from gryphon.sender.replay.measures import Counters, Histograms
from gryphon.sender.results.lateness import WhileLate
from gryphon.sender.results.result import RunFacts
from gryphon.sender.results.verdict import Ending
from gryphon.sender.transmit.choose import Choice
from gryphon.sender.transmit.interface import SendError


class Measured(Counting, Protocol):
    """Everything that engines count."""

    @property
    def statuses(self) -> npt.NDArray[np.int64]: ...


@dataclass(frozen=True)
class Run:
    """A run that is over."""

    started: datetime
    epoch_ns: int  # CLOCK_MONOTONIC at its time 0
    measures: Measured
    outcomes: Sequence[Outcome]  # one for each engine
    series: Sequence[Mapping[str, Any]]
    choice: Choice
    notes: Sequence[str] = ()
    ring_full: int = 0  # beside what the outcomes' statuses say
    warm: tuple[Counters, Histograms] | None = None  # what is left out of percentiles and thresholds
    canary: Mapping[str, Any] | None = None  # what the SYNs before the first user have shown

    @property
    def ending(self) -> Ending:
        """The gravest of all engines' endings: when one has lost its grant, the others were told to stop."""
        return gravest(self.outcomes)

    @property
    def ended_ns(self) -> int:
        """When the last engine ended."""
        return max(outcome.ended_ns for outcome in self.outcomes)


def gravest(outcomes: Iterable[Outcome]) -> Ending:
    """Of all engines' endings."""
    return max((outcome.ending for outcome in outcomes), key=_GRAVITY.index)


_GRAVITY = [Ending.FINISHED, Ending.ENDED_EARLY, Ending.INTERRUPTED, Ending.GRANT_LOST]


def gather(prepared: Prepared, run: Run) -> RunFacts:
    """What the result is built of."""
    left_out = ("token", "token_file", "effective")
    options = {name: value for name, value in asdict(prepared.options).items() if name not in left_out}
    clocks = [clock for outcome in run.outcomes for clock in outcome.clocks]
    furthest = max(clocks, key=lambda clock: abs(clock.offset_ns))
    statuses = [status for outcome in run.outcomes for status in outcome.statuses]
    ours, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own = len(run.outcomes) > 1  # processes of our own
    return RunFacts(
        version=version("gryphon"),
        command=without_secrets(sys.argv),
        config=options | {name: str(value) for name, value in options.items() if name == "speed" or value == math.inf},
        options=prepared.options.effective,
        started=run.started,
        duration_s=(run.ended_ns - run.epoch_ns) / 1e9,
        ending=run.ending,
        users=prepared.options.users,
        counters=run.measures.counters,
        histograms=run.measures.histograms,
        recorded=prepared.recording.recorded,
        replayable=len(prepared.recording.sessions),
        rejected=prepared.recording.rejected,
        ring_lost=run.ring_full + _of_places(run, "ring_full") + sum(status.channel_dropped for status in statuses),
        channel_delay_p99_us=max(status.delay_p99_us for status in statuses),
        clock_offset_us=furthest.offset_ns / 1e3,
        clock_uncertainty_us=max(clock.uncertainty_ns for clock in clocks) / 1e3,
        cpu_s=ours.ru_utime + ours.ru_stime + own * (children.ru_utime + children.ru_stime),
        max_rss_bytes=ours.ru_maxrss * 1024 + sum(outcome.private_bytes for outcome in run.outcomes),
        intercept_cpu_s=_of_places(run, "cpu_s"),
        http_status={code: int(number) for code, number in enumerate(run.measures.statuses) if number},
        transmit={"way": run.choice.way, "devices": run.choice.devices},
        warmup_s=prepared.options.warmup_s,
        warm=run.warm,
        while_late=reduce(WhileLate.plus, (outcome.while_late for outcome in run.outcomes)),
        canary=run.canary,
        examples=_first_examples(run.outcomes),
        series=run.series,
    )


def _of_places(run: Run, what: str) -> Any:
    """A figure of the intercepts, once for each place: it is the same for every engine there."""
    places = zip(*(outcome.statuses for outcome in run.outcomes), strict=True)
    return sum(
        max(getattr(status if what == "cpu_s" else status.counters, what) for status in place) for place in places
    )


def _first_examples(outcomes: Iterable[Outcome]) -> list[Mapping[str, Any]]:
    """The first of each kind, in the order of kinds and time."""
    every = sorted((row for outcome in outcomes for row in outcome.examples), key=lambda row: row["time_s"])
    return [row for kind in KINDS for row in [row for row in every if row["kind"] == kind][:EACH]]


def refused(outcomes: Iterable[Outcome]) -> dict[str, SendError]:
    """Packets that this host would not send, by the name of the reason."""
    together: dict[str, SendError] = {}
    for outcome in outcomes:
        for name, error in outcome.refused.items():
            before = together.get(name, SendError(0, error.example))
            together[name] = before._replace(packets=before.packets + error.packets)
    return together
