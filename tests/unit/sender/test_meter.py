"""The meter's word about a silent server: said once when something asked for an answer, never for a quiet run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gryphon.sender.meter import Meter
from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.measures import Counter, new_counters, new_histograms

SILENT = "no answer has reached the intercept"


def _look(seconds: int, *counters: Counter) -> None:
    """One packet of the kind that these counters count leaves in the first second, then nothing happens."""
    engine: Any = SimpleNamespace(counters=new_counters(), histograms=new_histograms())
    meter = Meter(cast("Engine", engine), 0)
    for counter in counters:
        engine.counters[counter] += 1
    for second in range(1, seconds + 1):
        meter.look(second * 1_000_000_000)


@pytest.mark.parametrize("asking", [Counter.SESSIONS_STARTED, Counter.BYTES_SENT, Counter.RETRANSMITTED])
def test_silence_after_what_asks_for_an_answer_is_said_once(asking: Counter, caplog: pytest.LogCaptureFixture) -> None:
    _look(9, Counter.PACKETS_SENT, asking)
    assert [SILENT in message for message in caplog.messages] == [True]


def test_silence_after_an_acknowledgement_is_a_hold_or_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    """The delayed acknowledgement of the last answer may fall into the next second."""
    _look(9, Counter.PACKETS_SENT)
    assert caplog.messages == []


def test_silence_after_an_answer_is_none(caplog: pytest.LogCaptureFixture) -> None:
    _look(9, Counter.PACKETS_SENT, Counter.BYTES_SENT, Counter.RESPONSES)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("looks", "end", "steps"), [([1, 2], 2.5, [1, 1, 0.5]), ([1, 2], 1.7, [1, 1]), ([], -0.1, [0])]
)
def test_no_step_is_negative_whenever_the_run_has_ended(looks: list[int], end: float, steps: list[float]) -> None:
    """The last of several processes may end before a look; Ctrl-C may come before the start."""
    engine: Any = SimpleNamespace(counters=new_counters(), histograms=new_histograms())
    meter = Meter(cast("Engine", engine), 10_000_000_000)
    for second in looks:
        meter.look(10_000_000_000 + second * 1_000_000_000)
    meter.finish(10_000_000_000 + int(end * 1e9))
    assert [row["step_s"] for row in meter.series.rows()] == steps
