"""What the live view shows: the state of a run as ten lines, of as many columns as the terminal has, from 60 on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.text import Text

from gryphon.sender.replay.measures import FAILURES, SESSION_FAILURES, Counter, Counters
from gryphon.sender.results.histogram import Counts, milliseconds, percentile
from gryphon.sender.results.human import milliseconds as ms
from gryphon.sender.results.human import number, short
from gryphon.sender.results.lateness import LATE_US
from gryphon.sender.results.progress import clock

HISTORY = 120
"""Seconds that a history line has at most; of a narrow terminal the last of them."""
NARROW = 76
"""With fewer columns counts are shortened."""

_BARS = "▁▂▃▄▅▆▇"  # a full block would touch the line above
_RATES = {
    "sessions": Counter.SESSIONS_STARTED,
    "packets": Counter.PACKETS_SENT,
    "messages": Counter.MESSAGES_SENT,
}
_PERCENTS = (50, 90, 99)
_LABEL = 11
_BESIDE = _LABEL + 11
"""Columns of a history's line beside the history."""


@dataclass(frozen=True)
class Look:
    """The run at one moment.

    Attributes:
        time_s: since its start.
        step_s: what ``delta`` and the histograms of the last stretch are about.
        delta: counters of that stretch.
        response, lateness: microseconds, of the last stretch; ``whole`` of the run so far.
        ring_lost: records.
    """

    time_s: float
    step_s: float
    totals: Counters
    delta: Counters
    response: Counts
    whole: Counts
    lateness: Counts
    ring_lost: int


@dataclass
class Histories:
    """The rates of the last seconds, by name."""

    values: dict[str, deque[float]] = field(default_factory=lambda: {name: deque(maxlen=HISTORY) for name in _RATES})

    def add(self, look: Look) -> None:
        """Once a second."""
        for name, counter in _RATES.items():
            self.values[name].append(float(look.delta[counter]) / max(look.step_s, 1e-9))


def sparkline(values: Iterable[float]) -> str:
    """One bar a value, as high as it is of the highest; nothing is the lowest."""
    row = list(values)
    highest = max(row, default=0.0)
    if highest <= 0:
        return _BARS[0] * len(row)
    return "".join(_BARS[min(int(value / highest * len(_BARS)), len(_BARS) - 1)] for value in row)


def draw(look: Look, histories: Histories, expected_s: float | None, columns: int = 80) -> RenderableType:
    """The lines, for a terminal of so many columns; without a table of rich's, which takes three times as long."""
    lines = [_progress(look, expected_s, columns)]
    for label, text in _lines(look, histories, columns):
        line = Text(no_wrap=True, overflow="ellipsis")
        lines.append(line.append(label.ljust(_LABEL), "dim").append_text(text))
    return Group(*lines)


def _progress(look: Look, expected_s: float | None, columns: int) -> Text:
    """How far the run is by the schedule; there is no bar for one without an end."""
    line = Text(no_wrap=True, overflow="ellipsis")
    if expected_s is None:
        return line.append(f"{clock(look.time_s)}  ", "bold").append("until it is stopped")
    left = expected_s - look.time_s
    words = f"{clock(max(left, 1.0))} left" if left > 0 else "waiting for the last answers"
    width = max(min(28, columns - 52), 8)
    done = int(min(look.time_s / max(expected_s, 1e-9), 1.0) * width)
    line.append(f"{clock(look.time_s)} of about {clock(expected_s)}  ", "bold")
    return line.append("━" * done, "cyan").append("─" * (width - done), "dim").append(f"  {words}")


def _lines(look: Look, histories: Histories, columns: int) -> Iterator[tuple[str, Text]]:
    totals, count = look.totals, short if columns < NARROW else number
    users = {"started": Counter.STARTED, "connected": Counter.CONNECTED, "active": Counter.ACTIVE}
    yield "users", _cells([(name, count(int(totals[counter]))) for name, counter in users.items()])
    failed = sum(int(totals[counter]) for counter in FAILURES.values())
    text = _cells([("completed", count(int(totals[Counter.COMPLETED])))]).append("  failed ", "dim")
    yield "", text.append(count(failed), "bold red" if failed else "bold")
    for name, counter in _RATES.items():
        rate = float(look.delta[counter]) / max(look.step_s, 1e-9)
        row = list(histories.values[name])[-max(columns - _BESIDE, 1) :]
        yield name, Text(f"{short(rate):>6}/s  ").append(sparkline(row), "cyan")
    yield "response", _percentiles("last second", look.response)
    yield "", _percentiles("whole run", look.whole)
    yield from _troubles(look)


def _troubles(look: Look) -> Iterator[tuple[str, Text]]:
    """What goes wrong: failed sessions by reason, the most frequent first; lateness, lost records."""
    reasons = {reason: int(look.totals[counter]) for reason, counter in SESSION_FAILURES.items()}
    often = sorted(reasons.items(), key=lambda each: -each[1])
    why = ", ".join(f"{reason} {short(count)}" for reason, count in often if count)
    yield "failed", Text(why or "nobody", "red" if why else "dim")
    late = percentile(look.lateness, 99)
    text = Text("nothing was due", "dim")
    if late is not None:
        text = Text(f"p99 {ms(milliseconds(late))} ms", "yellow" if late > LATE_US else "")
    if look.ring_lost:
        text.append(f"  answers lost before the ring: {short(look.ring_lost)}", "red")
    yield "late", text


def _cells(cells: Sequence[tuple[str, str]]) -> Text:
    text = Text()
    for at, (name, value) in enumerate(cells):
        text.append("  " if at else "").append(f"{name} ", "dim").append(value, "bold")
    return text


def _percentiles(of: str, counts: Counts) -> Text:
    cells = [(f"p{percent}", ms(milliseconds(percentile(counts, percent)))) for percent in _PERCENTS]
    return Text().append(f"{of:<13}", "dim").append_text(_cells(cells)).append(" ms", "dim")
