"""The progress line is rewritten on a terminal, printed now and then elsewhere, and never in the way of a run."""

from __future__ import annotations

import io
import os
import shutil

import pytest
from facts import counters, histograms

from gryphon.sender.replay.measures import Counter, new_histograms
from gryphon.sender.results.interval import Interval, Meter
from gryphon.sender.results.progress import Progress, clock, fit


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def interval(time_s: float = 12.0) -> Interval:
    made = counters(failed_reset=2)
    made[Counter.ACTIVE] = 840
    meter = Meter()
    meter.look(time_s - 1, made - made // 2, new_histograms())
    return meter.look(time_s, made, histograms())


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((200, 24)))


@pytest.mark.usefixtures("wide")
def test_a_terminal_sees_one_line_rewritten_and_wiped() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.show(interval())
    progress.show(interval(13))
    progress.finish()
    progress.finish()
    first, second, last = stream.getvalue().split("\r")[1:]
    assert first == (
        "12 s  started 1,000  active 840  done 1,000  failed 2  500 sess/s  6,017 pkt/s  "
        "p50 13.5 p99 14.0 ms  late 0.099 ms  connected 1,000\x1b[K"
    )
    assert second.startswith("13 s")
    assert last == "\x1b[K"
    assert "\n" not in stream.getvalue()


def test_a_narrow_terminal_gets_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((40, 24)))
    stream = Terminal()
    Progress(stream).show(interval())
    assert stream.getvalue() == "\r12 s  started 1,000  active 840\x1b[K"


def test_elsewhere_a_plain_line_comes_every_five_seconds() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for second in range(1, 13):
        progress.show(interval(float(second)))
    progress.finish()
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["5 s", "10 s"]
    assert "\x1b" not in stream.getvalue()


def test_a_plain_line_comes_when_asked_for() -> None:
    stream = io.StringIO()
    Progress(stream).show(interval(1.0), now=True)
    assert stream.getvalue().startswith("1 s  started 1,000")


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    progress = Progress(Gone())
    progress.show(interval(), now=True)
    progress.show(interval(), now=False)


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (185, "3:05"), (3607, "1:00:07")])
def test_elapsed_time(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_words_that_do_not_fit_are_left_out_from_the_end() -> None:
    assert fit(["one", "two", "three"], 8) == "one  two"
    assert fit(["abcdef"], 3) == "abc"
