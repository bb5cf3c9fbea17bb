"""The progress line of a running replay: rewritten in place on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from gryphon.sender.replay.measures import Counter
from gryphon.sender.results.histogram import milliseconds, percentile
from gryphon.sender.results.human import milliseconds as ms
from gryphon.sender.results.human import short
from gryphon.sender.results.interval import Interval, failures


class Progress:
    """Writes to a stream, usually standard error; never fails a run when that stream is gone."""

    def __init__(self, stream: TextIO, plain_every_s: float = 5.0) -> None:
        """Rewrite in place where the stream is a terminal that can; else a line every ``plain_every_s`` seconds."""
        self._stream = stream
        self._in_place = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._every_s = plain_every_s
        self._due_s = plain_every_s
        self._shown = False

    def show(self, interval: Interval, now: bool = False) -> None:
        """Show where the run stands after an interval; ``now`` also where a plain line is not due yet."""
        if self._in_place:
            columns = shutil.get_terminal_size().columns
            self._write(f"\r{fit(parts(interval), columns - 1)}\x1b[K")
            self._shown = True
        elif now or interval.time_s >= self._due_s - 0.05:
            self._due_s = max(self._due_s, interval.time_s) + self._every_s
            self._write("  ".join(parts(interval)) + "\n")

    def finish(self) -> None:
        """Wipe the line, so that what follows starts on a clean one."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._in_place, self._due_s = False, float("inf")


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


def fit(words: list[str], columns: int) -> str:
    """As many of the words, from the first, as fit into the columns."""
    line = words[0]
    for word in words[1:]:
        if len(line) + 2 + len(word) > columns:
            break
        line += f"  {word}"
    return line[:columns]
