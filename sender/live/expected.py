"""How long a run will take if the server answers as it did in the recording."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.sender.prepare import Prepared
from gryphon.sender.replay.arrivals import Arrivals, Spacing


def expected_s(prepared: Prepared) -> float | None:
    """Seconds from the first start to the end; None for a run without an end of its own."""
    options = prepared.options
    if options.duration_s is not None:
        return options.duration_s
    if options.loops == 0:
        return None
    session = longest_session_s(prepared.script.sessions, prepared.script.entries)
    whole = last_start_s(prepared.arrivals, options.users) + options.loops * session + (options.hold_s or 0.0)
    return whole if math.isfinite(whole) else None


def longest_session_s(sessions: npt.NDArray[Any], entries: npt.NDArray[Any]) -> float:
    """Of the script's sessions at the run's speed, with answers that take as long as recorded."""
    each = np.add.reduceat(entries["gap"] + entries["duration"], sessions["first"])
    return float(each.max()) / 1e6


def last_start_s(arrivals: Arrivals, users: int) -> float:
    """When the last user starts, infinity where that never comes."""
    if arrivals.spacing is Spacing.RECORDED:
        turn, place = divmod(users - 1, len(arrivals.starts_us))
        return (turn * arrivals.period_us + int(arrivals.starts_us[place])) / 1e6
    rows = arrivals.stretches()
    row = rows[np.searchsorted(rows["before"], users - 1, side="right") - 1]
    left = users - 1 - float(row["before"])
    rate, slope = float(row["rate"]), float(row["slope"])
    if left <= 0.0 or math.isinf(rate):
        return float(row["at"]) / 1e6
    if rate <= 0.0 and slope <= 0.0:
        return math.inf
    return (float(row["at"]) + 2.0 * left / (rate + math.sqrt(max(rate * rate + 2.0 * slope * left, 0.0)))) / 1e6
