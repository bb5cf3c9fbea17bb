"""The progress lines come now and then, and are never in the way of a run."""

from __future__ import annotations

import io

import pytest
from facts import counters, histograms

from gryphon.sender.replay.measures import Counter, new_histograms
from gryphon.sender.results.interval import Interval, Meter
from gryphon.sender.results.progress import Progress, clock


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


def test_a_line_says_where_the_run_stands() -> None:
    stream = io.StringIO()
    Progress(stream).show(interval())
    assert stream.getvalue() == (
        "12 s  started 1,000  active 840  done 1,000  failed 2  500 sess/s  6,017 pkt/s  "
        "p50 13.5 p99 14.0 ms  late 0.099 ms  connected 1,000\n"
    )


def test_a_line_comes_every_five_seconds() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for second in range(1, 13):
        progress.show(interval(float(second)))
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["5 s", "10 s"]
    assert "\x1b" not in stream.getvalue()


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    progress = Progress(Gone())
    progress.show(interval())
    progress.show(interval(30))


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (185, "3:05"), (3607, "1:00:07")])
def test_elapsed_time(seconds: float, text: str) -> None:
    assert clock(seconds) == text
