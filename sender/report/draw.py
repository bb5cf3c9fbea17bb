"""A figure as inline SVG: grid, axes, lines or a stack, all coloured by the page's style sheet.

The drawing has 420 units of width, about what it gets on a wide screen in three columns, so that its text is as
large as the page's; on a phone it is as wide as the screen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gryphon.sender.report.figure import Figure, Line
from gryphon.sender.report.markup import Markup, element, join, text
from gryphon.sender.report.scale import Scale, decades, nice, on_axis, seconds, time_label

WIDTH, HEIGHT = 420, 216
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 10, 26
_PERCENTILES: Final = (
    (0.30103, "50 %"),
    (1, "90"),
    (2, "99"),
    (3, "99.9"),
    (4, "99.99"),
    (5, "99.999"),
    (6, "99.9999"),
)
_SPREAD: Final = 12
"""Values further apart than that get a logarithmic axis where the figure allows one."""

_LEAST: Final = 1e-3  # of a logarithmic axis, in ms: what histograms tell apart


@dataclass(frozen=True)
class Frame:
    """The axes of a drawing; figures that are to be compared share one."""

    end: float
    values: Sequence[float]  # where grid lines are
    log: bool


def frame_for(figures: Sequence[Figure]) -> Frame:
    """Axes that hold all of these figures."""
    end = max((figure.end() for figure in figures), default=0.0) or 1.0
    high = max((figure.highest() for figure in figures), default=0.0)
    low = min((figure.lowest() for figure in figures if figure.lowest()), default=0.0)
    low = max(low, _LEAST)
    if all(figure.spread for figure in figures) and high > _SPREAD * low:
        return Frame(end, decades(low, high), True)
    return Frame(end, nice(high), False)


def draw(figure: Figure, frame: Frame) -> Markup:
    """The drawing, with its alternative text."""
    x = Scale(0, frame.end, _LEFT, WIDTH - _RIGHT)
    y = Scale(frame.values[0], frame.values[-1], HEIGHT - _BOTTOM, _TOP, frame.log)
    if figure.kind == "stack":
        marks = join(_stack(figure, x, y))
    else:
        marks = join(_line(i, line, x, y, figure.kind == "area" and i == 0) for i, line in enumerate(figure.lines))
    return element(
        "svg",
        join(_grid(figure, frame, x, y)),
        marks,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=figure.in_words(),
    )


def _grid(figure: Figure, frame: Frame, x: Scale, y: Scale) -> Iterator[Markup]:
    """Lines across, and what they stand for."""
    for value in frame.values:
        at = _place(y(value))
        yield element(
            "path", d=f"M{_LEFT} {at}H{WIDTH - _RIGHT}", class_="grid" if value != frame.values[0] else "axis"
        )
        yield element("text", text(on_axis(value)), x=_LEFT - 6, y=_place(y(value) + 4), class_="end")
    if figure.x == "percentile":
        named = [(value, name) for value, name in _PERCENTILES if value <= frame.end]
    else:
        label = time_label(frame.end)
        named = [(value, label(value)) for value in seconds(frame.end)]
    for value, name in named:
        at = _place(x(value))
        last = x(value) > WIDTH - _RIGHT - 20
        yield element("path", d=f"M{at} {HEIGHT - _BOTTOM}v4", class_="axis")
        yield element(
            "text",
            text(name),
            x=WIDTH - 2 if last else at,
            y=HEIGHT - 8,
            class_="end" if last else "middle" if value else "begin",
        )


def _line(i: int, line: Line, x: Scale, y: Scale, filled: bool) -> Markup:
    """One line, broken where nothing was measured; a lonely value is a dot."""
    path, areas = [], []
    for stretch in _stretches(line):
        places = [f"{_place(x(a))} {_place(y(b))}" for a, b in stretch]
        path.append(f"M{places[0]}h0" if len(places) == 1 else "M" + "L".join(places))
        if filled:
            floor = _place(y(y.low))
            areas.append(f"M{_place(x(stretch[0][0]))} {floor}L{'L'.join(places)}L{_place(x(stretch[-1][0]))} {floor}z")
    area = element("path", d="".join(areas), class_=f"area f{i}") if areas else Markup("")
    return join([area, element("path", d="".join(path), class_=f"line c{i}")])


def _stretches(line: Line) -> Iterator[list[tuple[float, float]]]:
    """Points without a gap between them."""
    points = zip(line.xs, line.ys, strict=True)
    for known, group in itertools.groupby(points, key=lambda point: point[1] is not None):
        if known:
            yield [(a, b) for a, b in group if b is not None]


def _stack(figure: Figure, x: Scale, y: Scale) -> Iterator[Markup]:
    """Bars upon each other, a path for each line; what is 0 is not drawn."""
    below = [0.0] * len(figure.lines[0].xs)
    for i, line in enumerate(figure.lines):
        path, begin = [], figure.start
        for k, (end, value) in enumerate(zip(line.xs, line.ys, strict=True)):
            if value:
                top, bottom = _place(y(below[k] + value)), _place(y(below[k]))
                path.append(f"M{_place(x(begin))} {bottom}V{top}H{_place(x(end))}V{bottom}z")
                below[k] += value
            begin = end
        yield element("path", d="".join(path), class_=f"bar f{i}")


def _place(value: float) -> str:
    """A coordinate to a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")
