"""How long a run will take is told by its schedule and the recording."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from gryphon.sender.live.expected import expected_s, last_start_s, longest_session_s
from gryphon.sender.replay.arrivals import Arrivals, as_recorded

sys.path.append(str(Path(__file__).parents[1] / "replay"))

from peer import Message, make_script

TEN = Arrivals(((0.0, 10.0),))


@pytest.mark.parametrize(
    ("arrivals", "users", "second"),
    [
        (TEN, 101, 10.0),
        (TEN, 1, 0.0),
        (Arrivals(((0.0, math.inf),)), 1_000_000, 0.0),
        (Arrivals(((0.0, 0.0), (10.0, 100.0))), 501, 10.0),
        (Arrivals(((0.0, 0.0), (10.0, 100.0))), 601, 11.0),
        (Arrivals(((0.0, 10.0), (1.0, 0.0))), 100, math.inf),
        (as_recorded(np.array([0, 1e9, 4e9], np.int64), 1.0), 5, 7.0),
    ],
)
def test_the_last_user_starts_when_the_schedule_says(arrivals: Arrivals, users: int, second: float) -> None:
    assert last_start_s(arrivals, users) == pytest.approx(second, abs=1e-3)


def test_a_session_lasts_as_long_as_its_pauses_and_answers() -> None:
    script = make_script([Message(10), Message(5, gap_ms=300, expect=100, answer_ms=200)])
    assert longest_session_s(script.sessions, script.entries) == pytest.approx(0.5, abs=0.05)


def prepared(**options: Any) -> Any:
    given = {"duration_s": None, "loops": 1, "users": 101, "hold_s": None} | options
    script = make_script([Message(10), Message(5, gap_ms=300, expect=100, answer_ms=200)])
    return cast("Any", SimpleNamespace(options=SimpleNamespace(**given), script=script, arrivals=TEN))


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 10.5),
        ({"loops": 4}, 12.0),
        ({"hold_s": 60.0}, 70.5),
        ({"duration_s": 300.0, "loops": 0}, 300.0),
        ({"loops": 0}, None),
        ({"hold_s": math.inf}, None),
    ],
)
def test_what_the_options_add_to_it(options: dict[str, Any], seconds: float | None) -> None:
    found = expected_s(prepared(**options))
    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.1))
