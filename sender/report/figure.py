"""What a figure shows, before anything is drawn: lines over time or over percentiles, in words too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gryphon.sender.report.scale import on_axis
from gryphon.sender.results.progress import clock


@dataclass(frozen=True)
class Line:
    """One line; None where nothing was measured."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float | None]

    def known(self) -> list[float]:
        """The values that there are."""
        return [y for y in self.ys if y is not None]


@dataclass(frozen=True)
class Figure:
    """Lines of one unit, drawn together.

    In ``stack`` the lines' values are of the stretches that end at ``xs``, one upon the other.
    """

    key: str
    title: str
    unit: str
    lines: Sequence[Line]
    note: str = ""
    kind: Literal["lines", "area", "stack"] = "lines"  # area: lines, of which the first is filled
    x: Literal["time", "percentile"] = "time"
    spread: bool = False  # of values so far apart that a logarithmic axis may be needed
    start: float = 0.0  # of a stack, where its first stretch begins

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(line.known() for line in self.lines)

    def end(self) -> float:
        """The last place on the x axis."""
        return max((x for line in self.lines for x in line.xs), default=0.0)

    def highest(self) -> float:
        """The highest value, of a stack the highest sum."""
        if self.kind == "stack":
            return max(
                (sum(y or 0 for y in ys) for ys in zip(*(line.ys for line in self.lines), strict=True)), default=0
            )
        return max((y for line in self.lines for y in line.known()), default=0)

    def lowest(self) -> float:
        """The lowest value above 0; 0 where there is none."""
        return min((y for line in self.lines for y in line.known() if y > 0), default=0)

    def in_words(self) -> str:
        """What somebody hears who cannot see it."""
        over = f"over {clock(self.end())}" if self.x == "time" else "by percentile"
        parts = [f"{self.title}, {self.unit}, {over}."]
        for line in self.lines:
            values = line.known()
            if not values:
                parts.append(f"{line.name}: not measured.")
            elif self.kind == "stack":
                parts.append(f"{line.name}: at most {on_axis(max(values))}.")
            else:
                low, high, last = map(on_axis, (min(values), max(values), values[-1]))
                parts.append(f"{line.name}: from {low} to {high}, at the end {last}.")
        return " ".join(parts)
