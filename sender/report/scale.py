"""Axes: where round values lie on them, and how these are written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gryphon.sender.results.human import short
from gryphon.sender.results.progress import clock

_TIME_STEPS: Final = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1200,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
    86400,
)


@dataclass(frozen=True)
class Scale:
    """One axis: from values to places on the drawing."""

    low: float
    high: float
    first: float  # where ``low`` is drawn
    last: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; what is beyond an end is drawn at it."""
        value = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.first + part * (self.last - self.first)


def nice(high: float, most: int = 5) -> list[float]:
    """Round values from 0 up to the first that is not below ``high``, about ``most`` of them."""
    if not high > 1e-12:  # nothing, as far as anybody could see
        return [0.0, 1.0]
    rough = high / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [step * i for i in range(math.ceil(high / step * 0.999_999) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten around a range, and between them twice and five times where there are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    every = max(1, (last - first) // 6)
    made = [factor * 10.0**power for power in range(first, last, every) for factor in factors]
    return [*made, 10.0**last]


def seconds(end: float) -> list[float]:
    """Round times from 0 to the end of a run, at most seven."""
    step = next((step for step in _TIME_STEPS if end / step <= 6), None)
    if step is None:
        step = math.ceil(end / 6 / 86400) * 86400.0
    return [step * i for i in range(int(end / step + 1e-9) + 1)]


def on_axis(value: float) -> str:
    """A value beside an axis."""
    if value and abs(value) < 1000:
        return f"{value:.3g}"
    return short(value).replace(".00", "").replace(".0", "")


def time_label(end: float) -> Callable[[float], str]:
    """How times are written on an axis that ends there."""
    return clock if end > 6 else lambda value: f"{value:g} s"
