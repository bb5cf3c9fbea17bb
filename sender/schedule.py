"""When sessions start and the run ends, as the options say it: rates, ramps, arrivals, loops, durations."""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

from gryphon.controller.errors import InputFault

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gryphon.sender.replay.arrivals import Arrivals

LONGEST_S = 365 * 86_400.0
HIGHEST_RATE = 1e9
MOST_LOOPS = 65_535
DEFAULT_RATE = 1000.0
KINDS = ("even", "poisson", "recorded")

_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"(\d+\.?\d*|\.\d+)(ms|s|m|h|d|)")


def seconds(text: str, option: str) -> float:
    """A time: ``90``, ``90s``, ``1.5m``, ``2h``, ``500ms``; InputFault names the option."""
    match = _TIME.fullmatch(text.strip())
    value = float(match[1]) * _UNITS[match[2]] if match else math.nan
    if not 0 <= value <= LONGEST_S:
        raise InputFault(f"{option} {text}: give a time such as 90, 90s, 5m or 1h, at most a year")
    return value


def parse_rate(text: str) -> float:
    """``-i``: new sessions per second, or ``max`` for all at once."""
    if text == "max":
        return math.inf
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= HIGHEST_RATE:
        raise InputFault(f"-i {text}: give the new sessions per second, more than 0, or max for all at once")
    return rate


def parse_ramp(text: str) -> tuple[tuple[float, float], ...]:
    """``--ramp 0:1000,60s:20000``: (seconds, new sessions per second), straight lines between them."""
    points: list[tuple[float, float]] = []
    for part in text.split(","):
        time, colon, rate = part.strip().partition(":")
        try:
            value = float(rate)
        except ValueError:
            value = -1.0
        if not colon or not 0 <= value <= HIGHEST_RATE:
            raise InputFault(f"--ramp {text}: '{part}' is no TIME:RATE, such as 60s:20000")
        points.append((seconds(time, "--ramp"), value))
    times = [second for second, _ in points]
    if times[0] != 0:
        raise InputFault(f"--ramp {text}: it has to say the rate at time 0 first, such as 0:1000")
    if any(later <= before for before, later in itertools.pairwise(times)):
        raise InputFault(f"--ramp {text}: its times have to grow")
    return tuple(points)


def parse_loops(text: str | None, duration_s: float | None) -> int:
    """``--loops``: sessions of each user, 0 for without end, which is also the default of a run with a duration."""
    if text is None:
        return 1 if duration_s is None else 0
    if text == "forever":
        return 0
    if not text.isdecimal() or len(text) > 19 or not 1 <= int(text) <= MOST_LOOPS:
        raise InputFault(f"--loops {text}: give a whole number from 1 to {MOST_LOOPS:,}, or forever")
    return int(text)


def parse_duration(text: str | None) -> float | None:
    """``--duration``: how long sessions start."""
    if text is None:
        return None
    value = seconds(text, "--duration")
    if value == 0:
        raise InputFault(f"--duration {text}: a run without time starts nobody; give a time such as 90s")
    return value


def check_schedule(arrivals: str, rate: str | None, ramp: str | None) -> None:
    """InputFault unless the options fit together and can be read."""
    if arrivals not in KINDS:
        raise InputFault(f"--arrivals {arrivals}: give even, poisson or recorded")
    if rate is not None and ramp is not None:
        raise InputFault("-i and --ramp exclude each other: a ramp with one point, --ramp 0:1000, is a constant rate")
    if arrivals == "recorded" and (rate is not None or ramp is not None):
        raise InputFault("--arrivals recorded starts sessions as they were recorded: leave -i and --ramp out, or it")
    if rate is not None:
        parse_rate(rate)
    if ramp is not None:
        parse_ramp(ramp)


def plan_arrivals(
    arrivals: str, rate: str | None, ramp: str | None, users: int, start_ns: npt.NDArray[np.int64], speed: float
) -> Arrivals:
    """The schedule of a run of so many users.

    Args:
        arrivals, rate, ramp: as ``check_schedule`` has seen them.
        users: how many have to start.
        start_ns: when each recorded session started.
        speed: recorded starts are divided by it.

    Raises:
        InputFault: the ramp ends before everybody has started, or there are no recorded starts to go by.
    """
    from gryphon.sender.replay.arrivals import Arrivals, Spacing, as_recorded

    if arrivals == "recorded":
        return as_recorded(start_ns, speed)
    points = parse_ramp(ramp) if ramp else ((0.0, parse_rate(rate) if rate else DEFAULT_RATE),)
    plan = Arrivals(points, Spacing.POISSON if arrivals == "poisson" else Spacing.EVEN)
    if plan.capacity() < users:
        raise InputFault(
            f"--ramp {ramp} starts {plan.capacity():,.0f} of {users:,} users, since it ends at a rate of 0: lower -u, "
            "or end it at another rate"
        )
    return plan
