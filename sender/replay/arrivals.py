"""When sessions start: a rate that stands or changes, even or Poisson, or the recorded starts; never the server's pace.

A session's number becomes a time through the integral of the rate: the k-th session starts when k sessions are due.
Poisson arrivals draw that k from sums of exponential gaps instead (a Poisson process of the same rate), from a hash of
the seed and the session's number, so that a run can be repeated.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import STRETCH, Core, number_at, stretch_at, user_number
from gryphon.sender.replay.sequence import scramble

NEVER = 1 << 62
"""A time that does not come."""

_LARGEST = 2.0**61


class Spacing(enum.IntEnum):
    """How the starts lie around the rate."""

    EVEN = 0
    POISSON = 1
    RECORDED = 2  # the rate does not count


@dataclass(frozen=True)
class Arrivals:
    """The schedule of a run.

    Attributes:
        ramp: (seconds of the run, new sessions per second) at which the rate is known; straight lines between them,
            the last rate goes on. One point is a constant rate, infinity starts everybody at once.
        spacing: see ``Spacing``.
        starts_us: RECORDED: the starts of one pass over the recording, from the first, in order.
        period_us: RECORDED: when the next pass begins.
    """

    ramp: Sequence[tuple[float, float]] = ((0.0, 1000.0),)
    spacing: Spacing = Spacing.EVEN
    starts_us: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    period_us: int = 0

    def stretches(self) -> npt.NDArray[Any]:
        """The ramp as rows of STRETCH, times in microseconds."""
        rows = np.zeros(len(self.ramp), STRETCH)
        before = 0.0
        for i, (second, rate) in enumerate(self.ramp):
            rows[i]["at"], rows[i]["rate"], rows[i]["before"] = second * 1e6, rate / 1e6, before
            if i + 1 < len(self.ramp):
                later, following = self.ramp[i + 1]
                rows[i]["slope"] = (following - rate) / (later - second) / 1e12
                before += (later - second) * (rate + following) / 2
        return rows

    def capacity(self) -> float:
        """How many sessions start if it goes on for ever."""
        rows = self.stretches()
        return math.inf if self.ramp[-1][1] > 0 else float(rows[-1]["before"])


def as_recorded(start_ns: npt.NDArray[np.int64], speed: float) -> Arrivals:
    """The schedule of a recording whose sessions started then, at a speed; pass after pass.

    A pass ends one mean pause after the last start. Raises ``InputFault`` for a single session, which has no pauses.
    """
    if len(start_ns) < 2:
        raise InputFault(
            "--arrivals recorded needs at least two sessions, since one start says nothing about those after it: "
            "leave it out, -i sets new sessions per second"
        )
    starts = np.sort(start_ns) - int(start_ns.min())
    period = float(starts[-1]) * len(starts) / (len(starts) - 1)
    scale = 1000.0 * speed
    return Arrivals(
        spacing=Spacing.RECORDED, starts_us=(starts / scale).astype(np.int64), period_us=int(period / scale)
    )


@inner
def _when(core: Core, due: float) -> float:
    """The time, microseconds from the start, at which so many sessions are due."""
    while core.stretch + 1 < core.stretch_count and stretch_at(core.stretches, core.stretch + 1).before <= due:
        core.stretch += 1
    row = stretch_at(core.stretches, core.stretch)
    left = due - row.before
    if row.rate <= 0.0 and row.slope <= 0.0:
        return _LARGEST
    if left <= 0.0:
        return float(row.at)
    # rate x + slope x^2 / 2 = left, solved without a division by the slope, which may be nothing
    root = row.rate + math.sqrt(max(row.rate * row.rate + 2.0 * row.slope * left, 0.0))
    return float(row.at + 2.0 * left / root)


@inner
def _gap(core: Core, number: int) -> float:
    """The exponential gap in front of a session, mean 1."""
    mixed = int64(scramble(number ^ scramble(core.arrival_seed)))
    return -math.log((mixed + 0.5) / 4294967296.0)


@inner
def schedule_start(core: Core) -> None:
    """Set ``next_start``, the time of the run's clock at which the next user starts; NEVER when none will."""
    number = int64(user_number(core, core.started))
    if core.started >= core.user_count:
        core.next_start = NEVER
    elif core.spacing == Spacing.RECORDED:
        turn = number // core.recorded_count
        recorded = number_at(core.recorded_starts, number % core.recorded_count).value
        core.next_start = int64(core.start + turn * core.period + recorded)
    else:
        if core.spacing == Spacing.POISSON:
            while core.drawn <= number:
                core.due += _gap(core, core.drawn)
                core.drawn += 1
        else:
            core.due = float(number)
        when = _when(core, core.due)
        core.next_start = NEVER if when >= _LARGEST else int64(core.start) + int64(when + 0.5)
