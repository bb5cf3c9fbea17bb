"""The live view: a process that looks at the shared counters five times a second and draws them on the terminal.

A process of its own, since drawing holds Python's lock for milliseconds in which no packet would leave. It opens
nothing, changes nothing, and goes when its parent goes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO

from gryphon.controller.privileges import give_up
from gryphon.sender.live.picture import Histories, Look, draw
from gryphon.sender.process import Process
from gryphon.sender.replay.measures import Counters, Histogram
from gryphon.sender.results.histogram import Counts
from gryphon.sender.shared_measures import SharedMeasures, Told

PERIOD_S = 0.2
_GIVES_WAY = 10  # a tenth of the weight of who sends, sched(7)
WINDOW_S = 1.0
"""Rates and latencies shown are those of so long a stretch."""


def wanted(quiet: bool, stream: TextIO) -> bool:
    """Whether there is a terminal that can be drawn on, and somebody who wants it."""
    return not quiet and stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


@contextmanager
def live_view(measures: SharedMeasures, expected_s: float | None) -> Iterator[None]:
    """Draw until the block ends; what is logged to the terminal meanwhile stands above the picture."""
    reading, writing = os.pipe()
    viewer = Process(partial(_view, measures, expected_s, reading, os.getpid()), [])
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as words:
        try:
            with _screen_log_to(words):
                yield
        finally:
            measures.drawn = False
            viewer.dismiss("the live view", patience_s=2.0)


@contextmanager
def _screen_log_to(stream: TextIO) -> Iterator[None]:
    """Have the terminal's log lines pass through the view."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
    for handler in handlers:
        handler.setStream(stream)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(sys.stderr)


def _view(measures: SharedMeasures, expected_s: float | None, words: int, parent: int) -> None:
    """In the process of the view, which gives way to the one that sends where they meet on a core."""
    from rich.console import Console
    from rich.live import Live

    os.nice(_GIVES_WAY)  # what is loaded once is not to take ten times as long
    give_up()
    os.set_blocking(words, False)
    eyes = Eyes(measures)
    histories, second = Histories(), 1.0
    gone = Told(measures, parent).is_gone
    with (
        contextlib.suppress(BrokenPipeError, OSError),
        Live(console=Console(stderr=True), auto_refresh=False, transient=True) as screen,
    ):
        while measures.drawn and not gone():
            time.sleep(PERIOD_S)
            for line in _read(words).splitlines():
                screen.console.print(line, markup=False, highlight=False)
            if not measures.epoch_ns or not measures.drawn:
                continue
            look = eyes.look(time.monotonic_ns())
            if look.time_s >= second:
                histories.add(look)
                second = int(look.time_s) + 1.0
            screen.update(draw(look, histories, expected_s, screen.console.width), refresh=True)
        for line in _read(words).splitlines():
            screen.console.print(line, markup=False, highlight=False)


def _read(words: int) -> str:
    try:
        return os.read(words, 1 << 16).decode(errors="replace")
    except BlockingIOError:
        return ""


class Eyes:
    """Differences over the last second of counters that others write."""

    def __init__(self, measures: SharedMeasures) -> None:
        self._measures = measures
        self._seen: deque[tuple[int, Counters, Counts, Counts]] = deque()

    def look(self, now_ns: int) -> Look:
        """The run as it stands at a time of CLOCK_MONOTONIC."""
        measures = self._measures
        histograms = measures.histograms
        response, lateness = (histograms[which].copy() for which in (Histogram.RESPONSE_INTENDED, Histogram.LATENESS))
        counters = measures.counters
        if not self._seen:
            self._seen.append((measures.epoch_ns, counters * 0, response * 0, lateness * 0))
        while len(self._seen) > 1 and now_ns - self._seen[1][0] >= WINDOW_S * 1e9:
            self._seen.popleft()
        then, before, response_before, lateness_before = self._seen[0]
        self._seen.append((now_ns, counters, response, lateness))
        return Look(
            time_s=max(now_ns - measures.epoch_ns, 0) / 1e9,
            step_s=max(now_ns - then, 1) / 1e9,
            totals=counters,
            delta=counters - before,
            response=response - response_before,
            whole=response,
            lateness=lateness - lateness_before,
            ring_lost=measures.ring_lost,
        )
