"""What a run tells its intercepts, and how it obeys their answer."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gryphon.controller.quota import Quota
from gryphon.sender import intents
from gryphon.sender.divide import share_out
from gryphon.sender.obey import obey
from gryphon.sender.ranges import parse_pool
from gryphon.sender.redact import without_secrets
from gryphon.sender.replay.arrivals import Arrivals, as_recorded


@dataclass(frozen=True)
class Options:
    users: int = 1000
    rate: str | None = None
    ramp: str | None = None
    arrivals: str = "even"


@dataclass(frozen=True)
class Run:
    options: Options
    arrivals: Arrivals
    shares: Any


def prepared(schedule: Arrivals | None = None, threads: int = 1, **options: Any) -> Any:
    chosen = Options(**options)
    shares = share_out(parse_pool("10.17.15.*"), threads, chosen.users)
    return Run(chosen, schedule or Arrivals(((0.0, 1000.0),)), shares)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--token", "s3cret", "-u", "5"], ["--token", "***", "-u", "5"]),
        (["-u", "5", "--token=s3cret"], ["-u", "5", "--token=***"]),
        (["--token", "--token", "x"], ["--token", "***", "x"]),
        (["--token-file", "here", "--tokens"], ["--token-file", "here", "--tokens"]),
        ([], []),
    ],
)
def test_a_token_on_the_command_line_is_shown_to_nobody(words: list[str], shown: list[str]) -> None:
    assert without_secrets(words) == shown


def test_an_intent_says_whose_run_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/x/gryphon", "send", "-c", "10.17.15.*", "--token", "s3cret"])
    monkeypatch.setenv("SUDO_USER", "ada")
    intent = intents.whole_intent(prepared())
    assert (intent.user, intent.users, intent.sessions_s, intent.parts) == ("ada", 1000, 1000, 1)
    assert intent.command == "gryphon send -c '10.17.15.*' --token '***'"
    assert intent.host


@pytest.mark.parametrize(
    ("options", "firm"),
    [
        ({}, False),
        ({"rate": "max"}, False),
        ({"rate": "1000"}, True),
        ({"ramp": "0:5"}, True),
        ({"arrivals": "recorded"}, True),
    ],
)
def test_what_the_user_named_must_not_be_lowered(options: dict[str, str], firm: bool) -> None:
    assert intents.whole_intent(prepared(**options)).firm is firm


def test_processes_ask_for_their_parts() -> None:
    parts = intents.intents(prepared(threads=3, rate="900", arrivals="even", users=1000))
    assert [part.users for part in parts] == [334, 333, 333]
    assert [part.parts for part in parts] == [3, 2, 1]
    assert [part.sessions_s for part in parts] == [pytest.approx(1000 / 3)] * 3


@pytest.mark.parametrize(
    ("arrivals", "peak"),
    [
        (Arrivals(((0.0, 100.0), (10.0, 3000.0), (20.0, 0.0))), 3000),
        (Arrivals(((0.0, math.inf),)), math.inf),
        (as_recorded(np.arange(0, 5 * 10**9, 10**8), 1), 10),
        (as_recorded(np.array([0, 1, 2, 5 * 10**9]), 1), 3),
        (as_recorded(np.array([0, 10**8]), 1), 10),  # pass after pass
        (as_recorded(np.array([0, 10**8]), 5), 50),
    ],
)
def test_the_peak_of_a_schedule(arrivals: Arrivals, peak: float) -> None:
    assert intents.peak_rate(arrivals) == pytest.approx(peak, abs=1)


def test_a_rate_left_open_is_lowered_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    run = prepared(Arrivals(((0.0, math.inf),)), rate="max")
    assert obey(run, [Quota(sessions_s=200), Quota(sessions_s=100)]).arrivals.ramp == ((0.0, 300.0),)
    assert "users start at 300 a second: the intercept allows no more new sessions" in caplog.text


def test_a_schedule_within_the_quota_stays(caplog: pytest.LogCaptureFixture) -> None:
    run = prepared(Arrivals(((0.0, 10.0), (5.0, 100.0))), ramp="0:10,5:100")
    for quotas in ([Quota()], [Quota(sessions_s=100)], [Quota(packets_s=1)], [Quota(sessions_s=50)] * 2):
        assert obey(run, quotas) is run
    assert caplog.text == ""


def test_how_long_the_hours_still_last_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run = prepared()
    assert obey(run, [Quota(seconds=600), Quota()]) is run
    assert "hours end in 10 minutes" in caplog.text
