"""Schedules against real nginx: users that come back, runs that end after a time, starts as recorded."""

from __future__ import annotations

from collections import Counter

import pytest
from sending import established, intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import VISITS, Recording, Visit, record
from gryphon.lab.servers import Nginx

GLANCES = (
    Visit("glance", ("/",)),
    Visit("update", ("/news.html", "/news.html?page=2")),
)
HURRIED = (Visit("hurried", ("/",), ("-H", "Connection: close")),)
"""The server closes first, and keeps TIME-WAIT."""


@pytest.fixture(scope="module")
def glances(lab: Lab, nginx: Nginx) -> Recording:
    return record(lab, nginx, lab.directory / "glances.pcap", visits=GLANCES)


def _asked(recording: Recording, users: int, loops: int) -> Counter[str]:
    one = Counter(request.answer for request in recording.replayed(users))
    return Counter({answer: count * loops for answer, count in one.items()})


@pytest.mark.parametrize("name", ["target", "local"])
def test_users_come_back_as_often_as_told(lab: Lab, nginx: Nginx, glances: Recording, name: str) -> None:
    with intercepted(lab, name) as (topology, _):
        before = nginx.mark()
        run = start(lab, [*options(glances, topology.intercept, 100), "--loops", "20", "-a", "max"])
        assert run.finish() == 0, run.text
        served = nginx.since(before)
    assert (served.connections, served.open) == (2000, 0)
    assert Counter(request.answer for request in served.log) == _asked(glances, 100, 20)
    result = run.result
    assert result["users"]["completed"] == result["users"]["started"] == 100
    assert result["users"]["peak_active"] <= 100
    assert result["sessions_run"]["completed"] == 2000
    assert result["messages"]["mismatched"] == 0


def test_users_come_back_to_a_server_that_still_remembers_their_ports(lab: Lab, nginx: Nginx) -> None:
    """Its TIME-WAIT lasts a minute. One address has 28,233 ports: fewer than two for each user, so all are the same."""
    recording = record(lab, nginx, lab.directory / "hurried.pcap", visits=HURRIED)
    users = 14_200
    with intercepted(lab, "local"):
        before = nginx.mark()
        line = options(recording, "xdp:eth0", users)
        line[line.index("-c") + 1] = "10.17.15.77"
        run = start(lab, [*line, "--loops", "2", "-i", "2000"])
        assert run.finish(100) == 0, run.text
        served = nginx.since(before)
        remembered = lab.run("server", ["ss", "-Htn", "state", "time-wait", "dst", "10.17.15.77"]).stdout
    assert len(remembered.splitlines()) == users  # each port once: the second connection took the place of the first
    assert (served.connections, served.requests) == (2 * users, 2 * users)
    assert run.result["sessions_run"]["completed"] == 2 * users


def test_a_run_ends_after_its_time_with_nobody_cut_off(lab: Lab, nginx: Nginx, glances: Recording) -> None:
    with intercepted(lab, "target") as (topology, _):
        before = nginx.mark()
        run = start(lab, [*options(glances, topology.intercept, 50), "--duration", "3s"])
        assert run.finish() == 0, run.text
        assert established(lab) == []
        served = nginx.since(before)
    sessions, messages = run.result["sessions_run"], run.result["messages"]
    assert sessions["started"] > 200
    assert sessions["started"] == sessions["completed"] + sessions["cut"]
    assert served.connections == sessions["started"]
    assert served.requests == messages["answered"] == messages["sent"]
    assert messages["missing"] == 0
    assert run.result["users"]["failed"] == dict.fromkeys(run.result["users"]["failed"], 0)


def test_held_users_close_when_the_time_is_over_and_have_completed(lab: Lab, nginx: Nginx, glances: Recording) -> None:
    with intercepted(lab, "target") as (topology, _):
        before = nginx.mark()
        line = options(glances, topology.intercept, 50)
        run = start(lab, [*line, "--hold", "forever", "--duration", "3s", "-i", "max"])
        assert run.finish() == 0, run.text
        served = nginx.since(before)
    assert (served.connections, served.open) == (50, 0)
    assert run.result["users"]["completed"] == run.result["users"]["peak_active"] == 50


@pytest.mark.parametrize("words", [("--arrivals", "recorded"), ("--arrivals", "poisson", "--ramp", "0:50,1s:400")])
def test_every_schedule_starts_everybody(lab: Lab, nginx: Nginx, recording: Recording, words: tuple[str, ...]) -> None:
    users = 4 * len(VISITS)
    with intercepted(lab, "local"):
        before = nginx.mark()
        run = start(lab, [*options(recording, "xdp:eth0", users), *words])
        assert run.finish() == 0, run.text
        assert nginx.since(before).connections == users
    assert run.result["users"]["completed"] == users


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ramp", "0:10,1s:0"), "starts 5 of 100 users"),
        (("--arrivals", "recorded", "-i", "5"), "leave -i and --ramp out"),
        (("--loops", "many"), "--loops many"),
        (("--duration", "soon"), "--duration soon"),
        (("--ignore", "x"), "--verify"),
    ],
)
def test_a_wrong_schedule_is_one_sentence(lab: Lab, glances: Recording, words: tuple[str, ...], said: str) -> None:
    run = start(lab, [*options(glances, "xdp:eth0", 100), *words])
    assert run.finish() == 2
    assert len(run.text.splitlines()) == 1
    assert said in run.text
