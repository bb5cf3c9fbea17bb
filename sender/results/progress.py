"""The progress of a running replay where there is no terminal for the live view: a plain line now and then."""

from __future__ import annotations

from typing import TextIO

from gryphon.sender.replay.measures import Counter
from gryphon.sender.results.histogram import milliseconds, percentile
from gryphon.sender.results.human import milliseconds as ms
from gryphon.sender.results.human import short
from gryphon.sender.results.interval import Interval, failures


class Progress:
    """Writes to a stream, usually standard error; never fails a run when that stream is gone."""

    def __init__(self, stream: TextIO, every_s: float = 5.0) -> None:
        """A line every ``every_s`` seconds."""
        self._stream = stream
        self._every_s = every_s
        self._due_s = every_s

    def show(self, interval: Interval) -> None:
        """Say where the run stands after an interval, if it is time."""
        if interval.time_s < self._due_s - 0.05:
            return
        self._due_s = max(self._due_s, interval.time_s) + self._every_s
        try:
            self._stream.write("  ".join(parts(interval)) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._due_s = float("inf")


def parts(interval: Interval) -> list[str]:
    """What the line says, the most important first."""
    totals, step = interval.totals, max(interval.step_s, 1e-9)
    sessions = interval.delta[Counter.SESSIONS_STARTED] / step
    packets = interval.delta[Counter.PACKETS_SENT] / step
    p50, p99 = (ms(milliseconds(percentile(interval.response, percent))) for percent in (50, 99))
    late = ms(milliseconds(percentile(interval.lateness, 99)))
    return [
        clock(interval.time_s),
        f"started {short(totals[Counter.SESSIONS_STARTED])}",
        f"active {short(totals[Counter.ACTIVE])}",
        f"done {short(totals[Counter.SESSIONS_COMPLETED])}",
        f"failed {short(failures(totals))}",
        f"{short(sessions)} sess/s",
        f"{short(packets)} pkt/s",
        f"p50 {p50} p99 {p99} ms",
        f"late {late} ms",
        f"connected {short(totals[Counter.SESSIONS_CONNECTED])}",
    ]


def clock(seconds: float) -> str:
    """Elapsed time: ``12 s``, ``3:05``, ``1:00:07``."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
