"""Counters of the server under test, from a CSV file that somebody took there while the run went on.

The first column is the time, seconds since 1970 or ISO 8601, the others are numbers under their names. What ends in
``_total`` only grows, by the custom of Prometheus, and is shown as a rate; all else as it is.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gryphon.controller.errors import InputFault
from gryphon.sender.report.figure import Figure, Line

MOST_COLUMNS: Final = 12
MOST_ROWS: Final = 200_000


@dataclass(frozen=True)
class Counters:
    """A file: times in seconds since 1970, and of each column a value per time, None where there is none."""

    name: str
    times: Sequence[float]
    columns: Mapping[str, Sequence[float | None]]


def read_counters(path: str) -> Counters:
    """The file's numbers; InputFault with its line when it has others."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = list(itertools.islice(csv.reader(file), MOST_ROWS + 2))
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputFault(f"--server {path} cannot be read as CSV: {why}") from error
    if len(lines) > MOST_ROWS + 1:
        raise InputFault(f"--server {path} has more than {MOST_ROWS:,} lines: cut it to the time of the run")
    if len(lines) < 2 or len(lines[0]) < 2:
        raise InputFault(f"--server {path}: give a line of names, first time, and a line of numbers for each moment")
    names = [name.strip() for name in lines[0][1:]]
    if len(names) > MOST_COLUMNS or len(set(names)) < len(names):
        raise InputFault(
            f"--server {path}: give at most {MOST_COLUMNS} columns beside the time, each with its own name"
        )
    rows = sorted(_row(path, i + 2, line, len(names)) for i, line in enumerate(lines[1:]) if line)
    columns = {name: [row[1][k] for row in rows] for k, name in enumerate(names)}
    return Counters(Path(path).name, [row[0] for row in rows], columns)


def _row(path: str, line: int, words: Sequence[str], columns: int) -> tuple[float, list[float | None]]:
    if len(words) != columns + 1:
        raise InputFault(f"--server {path}: line {line} has {len(words)} columns, and the first one {columns + 1}")
    try:
        return _time(words[0]), [_number(word) if word.strip() else None for word in words[1:]]
    except ValueError as error:
        raise InputFault(f"--server {path}: line {line} has {str(error)[:80]}") from error


def _time(word: str) -> float:
    try:
        return _number(word)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(word.strip())
    except ValueError:
        raise ValueError(f"{word!r} for a time: write seconds since 1970, or 2026-03-01T12:00:05Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise ValueError(f"{word!r} for a number") from None
    if not math.isfinite(value) or abs(value) > 1e18:
        raise ValueError(f"{word!r}, which is no number of a counter")
    return value


def server_figures(document: Mapping[str, Any], files: Sequence[Counters], most: int) -> list[Figure]:
    """A figure for each column that has a value while the run went on."""
    start = datetime.fromisoformat(document["started"]).timestamp()
    figures = []
    for file in files:
        for name, values in file.columns.items():
            points = [
                (time - start, value) for time, value in zip(file.times, values, strict=True) if value is not None
            ]
            rate = name.endswith("_total")
            points = _rates(points) if rate else points
            points = _thinned([point for point in points if 0 <= point[0] <= document["duration_s"] + 1], most)
            if points:
                line = Line(name, [point[0] for point in points], [point[1] for point in points])
                unit = "per second" if rate else "as the server says"
                figures.append(Figure(f"server {file.name} {name}", name, unit, [line], note=f"From {file.name}."))
    return figures


def check_times(documents: Sequence[Mapping[str, Any]], files: Sequence[Counters]) -> None:
    """InputFault for a file that says nothing of any of the runs."""
    for file in files:
        if not any(server_figures(document, [file], 10) for document in documents):
            raise InputFault(
                f"--server {file.name} has nothing from {documents[0]['started']} on, the time of the run: its first "
                "column must be UTC, and the server's clock right"
            )


def _rates(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """What a counter gained per second; nothing across a restart, where it is lower than before."""
    return [
        (later, (after - before) / (later - earlier))
        for (earlier, before), (later, after) in itertools.pairwise(points)
        if later > earlier and after >= before
    ]


def _thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most so many points: of neighbours the highest, at the last one's time."""
    each = max(1, -(-len(points) // most))
    groups = [points[first : first + each] for first in range(0, len(points), each)]
    return [(group[-1][0], max(point[1] for point in group)) for group in groups]
