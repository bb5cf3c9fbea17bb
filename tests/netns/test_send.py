"""Whole runs of `gryphon send`: over IPv6, and interrupted from every side."""

from __future__ import annotations

import signal

import pytest
from sending import ENVIRONMENT, established, intercepted, long_run, start

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording, record
from gryphon.lab.replay import replay
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.waiting import until


def _xdp(lab: Lab) -> bool:
    """Whether an XDP program sits on the sender's interface."""
    return "prog/xdp" in lab.run("sender", ["ip", "link", "show", "eth0"]).stdout


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: str(topology.name))
def test_ipv6_users_get_what_was_recorded(lab: Lab, nginx: Nginx, recording_v6: Recording, topology: Topology) -> None:
    rows = replay(lab, nginx, topology, recording_v6, 40, tell=lambda _: None)
    assert [row for row in rows if not row.agrees] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_resets_every_connection_and_tells_what_was(
    lab: Lab, nginx: Nginx, recording: Recording, number: signal.Signals
) -> None:
    with intercepted(lab, "target") as (topology, _):
        run = long_run(lab, nginx, recording, topology.intercept)
        run.child.send_signal(number)
        assert run.finish(10) == 130
        assert "INTERRUPTED" in run.text
        users = run.result["users"]
        assert run.result["verdict"] == "interrupted"
        assert users["completed"] + sum(users["failed"].values()) == users["started"]
        until("the resets", lambda: not established(lab))


def test_held_users_stay_connected_together_and_then_all_close(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    """The first hold ends seconds after the last user has connected; nginx itself would keep them for an hour."""
    with intercepted(lab, "target") as (topology, _):
        before = nginx.mark()
        run = start(lab, [*options(recording, topology.intercept, 200), "--hold", "5"])
        until("200 connections that nginx holds", lambda: nginx.mark().open == 200, seconds=30)
        assert len(established(lab)) == 200
        assert run.finish() == 0, run.text
        users = run.result["users"]
        assert users["completed"] == users["peak_active"] == 200
        assert run.result["messages"]["mismatched"] == 0
        assert "no answer" not in run.text
        served = nginx.since(before)
        assert (served.connections, served.open) == (200, 0)
        assert served.requests == len(list(recording.replayed(200)))


def test_an_interrupted_hold_resets_every_connection_and_everybody_has_completed(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    with intercepted(lab, "target") as (topology, _):
        before = nginx.mark()
        run = start(lab, [*options(recording, topology.intercept, 200), "--hold", "forever"])
        requests = len(list(recording.replayed(200)))
        until("the last answer", lambda: len(nginx.since(before, patience=0).log) == requests, seconds=30)
        assert len(established(lab)) == 200
        run.child.send_signal(signal.SIGINT)
        assert run.finish(10) == 130
        assert run.result["verdict"] == "interrupted"
        assert run.result["config"]["hold_s"] == "inf"
        users = run.result["users"]
        assert users["started"] == 200
        assert users["completed"] + users["failed"]["aborted"] == 200
        assert users["completed"] >= 175  # all but those whose last download is on its way to them
        until("the resets", lambda: not established(lab))


def test_a_server_that_falls_silent_is_said_after_seconds_and_times_out(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    with intercepted(lab, "target") as (topology, _):
        run = long_run(lab, nginx, recording, topology.intercept, ["-u", "600"])
        lab.run("server", ["ip", "route", "del", "10.17.0.0/16"])
        try:
            assert run.finish(30) == 1
        finally:
            lab.route_forged("sender")
        assert "no answer has reached the intercept" in run.text
        assert run.result["users"]["failed"]["timeout"] > 300


def test_a_local_run_leaves_nothing_when_everybody_completed(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    with intercepted(lab, "local"):
        run = start(lab, options(recording, "xdp:eth0", 40))
        assert run.finish() == 0
        assert not _xdp(lab)


def test_a_killed_local_run_goes_on_dropping_and_the_next_takes_over(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    with intercepted(lab, "local"):
        run = long_run(lab, nginx, recording, "xdp:eth0")
        run.child.kill()
        run.finish()
        assert _xdp(lab)
        again = start(lab, [*options(recording, "xdp:eth0", 40), "-m", "1"])
        assert again.finish() == 0
        lab.run("sender", [script("gryphon-intercept"), "--detach", "eth0", "-l", "/dev/null"], check=False)
        assert not _xdp(lab)


def test_the_original_s_way_of_several_values_works(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    """Two captures, two ranges, a second transfer that the captures do not have: one run."""
    with intercepted(lab, "target") as (topology, _):
        second = record(lab, nginx, lab.directory / "second.pcap")
        line = ["send", "-x", "80-10.16.15.118:80,8080-10.16.15.118:80", "-f", f"{recording.path},{second.path}"]
        run = start(lab, [*line, "-s", topology.intercept, "-u", "64", "-a", "max", "-c", "10.17.15.*,10.17.16.0/24"])
        assert run.finish() == 0
        # recorded may be one more: the server retransmits to a user whose run another test has killed
        assert run.result["sessions"]["replayable"] == len(recording.sessions) + len(second.sessions)
        assert run.result["users"]["completed"] == 64
        assert ENVIRONMENT["GRYPHON_TOKEN"] not in run.text


def test_two_intercepts_serve_one_run(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    """A server with two ways out is watched on both; here one way carries everything, and nothing counts twice."""
    with intercepted(lab, "assistant") as (assistant, _), intercepted(lab, "target") as (target, _):
        run = start(lab, options(recording, f"{target.intercept},{assistant.intercept}", 40))
        assert run.finish() == 0, run.text
        assert run.result["users"]["completed"] == 40
        assert run.result["bytes"]["received"] == sum(request.sent for request in recording.replayed(40))


def test_sender_and_server_may_be_one_host(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    """`-s tc:eth0` on the server itself: its packets go by way of lo, its answers would leave by eth0."""
    lab.route_forged("sender")
    run = start(lab, options(recording, "tc:eth0", 40), host="server")
    assert run.finish() == 0, run.text
    assert run.result["users"]["completed"] == 40
    assert "gryphon" not in lab.run("server", ["tc", "filter", "show", "dev", "eth0", "egress"]).stdout
