"""Runs under the limits of an intercept's operator, over TLS: obeyed, refused, and withdrawn where they are not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
from sending import TOKEN, Run, intercepted, start

from gryphon.lab.certificates import make
from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

LIMITS = ["--max-users", "100", "--max-rate", "100", "--max-packets", "2000"]

UNRULY = """
import sys
from gryphon.sender import pace, send
pace.Pace.room = pace.Pace.sessions = pace.Pace.starts = lambda self, now: 1 << 20
send.obey = lambda prepared, quotas: prepared
from gryphon.sender.cli import main
main()
"""
"""A sender that asks for little and takes what it likes."""


@pytest.fixture(scope="module")
def tls(lab: Lab) -> list[str]:
    made = make(lab.directory, "limited", SERVER_V4)
    return ["--tls-cert", str(made.certificate), "--tls-key", str(made.key)]


@pytest.fixture
def line(lab: Lab, recording: Recording, tls: list[str]) -> Iterator[list[str]]:
    """What `gryphon` is told, with an intercept beside it that has limits."""
    with intercepted(lab, "target", *LIMITS, *tls) as (topology, _):
        yield [*options(recording, topology.intercept, 100), "--tls-ca", tls[1]]


def said(lab: Lab) -> str:
    """By the intercept."""
    return (lab.directory / "target.output").read_text()


def told(lab: Lab, run: Run) -> tuple[int, str]:
    return run.finish(), run.text


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_run_that_leaves_its_rate_open_is_held_to_all_limits(
    lab: Lab, nginx: Nginx, line: list[str], threads: str
) -> None:
    before = nginx.mark()
    run = start(lab, [*line, "-i", "max", "--threads", threads, "-a", "max"])
    assert run.finish() == 0, run.text
    result = run.result
    assert result["users"]["completed"] == nginx.since(before).connections == 100
    assert "users start at 100 a second: the intercept allows no more new sessions" in run.text
    assert "limits held this run back for" in run.text
    assert result["pacing"]["while_late"]["held_s"] > 0
    seconds = [row["users"]["started"] if "users" in row else row["started"] for row in result["series"]]
    assert seconds[0] <= 100 * 1.25
    assert result["packets"]["sent"] <= 2000 * (result["duration_s"] + 0.1) + 500
    text = said(lab)
    assert re.search(r"grant 1 to 10\.16\.15\.117:\d+ begins \(\S+@\S+: gryphon send -x .*at most .*packets/s", text)
    assert re.search(r"grant 1 of .* ended: the run is over; .* it lived [\d.]+ s and had [\d,]+ records", text)
    assert TOKEN not in text


def test_what_was_named_and_is_more_than_allowed_is_refused_with_the_figure(lab: Lab, line: list[str]) -> None:
    status, text = told(lab, start(lab, [*line, "-u", "101"]))
    assert status == 3
    assert "101 users are too many: 100 users are allowed here (--max-users at the intercept); lower -u" in text
    status, text = told(lab, start(lab, [*line, "-i", "500"]))
    assert status == 3
    assert "500 new sessions per second are too many: 100 new sessions per second are allowed here" in text
    assert "lower -i" in text


def test_a_sender_that_obeys_no_limit_loses_its_grant(lab: Lab, line: list[str]) -> None:
    output, log = lab.directory / "unruly.output", lab.directory / "unruly.log"
    argv = [sys.executable, "-c", UNRULY, *line, "-i", "max", "--loops", "forever", "--duration", "30s", "-a", "max"]
    with output.open("wb") as file:
        environment = {"GRYPHON_TOKEN": TOKEN}
        child = lab.popen("sender", [*argv, "-l", str(log)], stdout=file, stderr=file, environment=environment)
    assert child.wait(60) == 3
    assert re.search(
        r"ended the grant: withdrawn, this sender(\'s packets are answered| opens) far more", output.read_text()
    )
    assert "ended: withdrawn, this sender" in said(lab)
    assert "ended: the intercept at 10.16.15.118:36524 ended the grant: withdrawn" in log.read_text()


def test_the_fingerprint_that_is_said_at_the_start_is_enough(lab: Lab, nginx: Nginx, line: list[str]) -> None:
    until("the line that says so", lambda: "with TLS, fingerprint" in said(lab))
    found = re.search("with TLS, fingerprint ([0-9a-f]{64})", said(lab))
    assert found
    pinned = [*line[: line.index("--tls-ca")], "--tls-fingerprint"]
    status, text = told(lab, start(lab, [*pinned, found[1], "-u", "10", "-i", "50"]))
    assert status == 0, text
    status, text = told(lab, start(lab, [*pinned, "0" * 64]))
    assert status == 3
    assert "which is not the one of --tls-fingerprint" in text
