"""`--threads`: several processes share the users, and together they are one run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sending import Run, established, intercepted, long_run, start

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.replay import replay
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.waiting import until

pytestmark = pytest.mark.usefixtures("bpf_privileges")

THREADS = ["--threads", "3"]


def children(run: Run) -> list[int]:
    """The replaying processes."""
    return [int(pid) for pid in Path(f"/proc/{run.child.pid}/task/{run.child.pid}/children").read_text().split()]


@pytest.mark.parametrize("transmit", ["raw", "xdp"])
@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: str(topology.name))
def test_they_count_together_what_the_server_counts(
    lab: Lab, nginx: Nginx, recording: Recording, taking: None, topology: Topology, transmit: str
) -> None:
    rows = replay(lab, nginx, topology, recording, 100, tell=lambda _: None, more=[*THREADS, "--transmit", transmit])
    assert [row for row in rows if not row.agrees] == []


def test_the_users_are_those_of_a_run_in_one_process(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    """Each session as often, and the same figures wherever time has no part in them."""
    results = []
    for more in ([], THREADS):
        run = start(lab, [*options(recording, "xdp:eth0", 50), "--loops", "2", *more])
        assert run.finish() == 0, run.text
        results.append(run.result)
    alone, together = results
    for name in ("users", "sessions", "sessions_run", "messages", "http_status"):
        assert {**together[name], "peak_active": 0} == {**alone[name], "peak_active": 0}
    assert together["bytes"] == alone["bytes"]
    assert together["latency_ms"]["response"]["service"]["count"] == alone["latency_ms"]["response"]["service"]["count"]
    assert together["users"]["peak_active"] <= 50


def test_interrupted_they_reset_every_connection_and_tell_what_was(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    """Ctrl-C reaches every process of the terminal's group."""
    with intercepted(lab, "target") as (topology, _):
        run = long_run(lab, nginx, recording, topology.intercept, THREADS)
        assert len(children(run)) == 3
        for pid in [*children(run), run.child.pid]:
            os.kill(pid, signal.SIGINT)
        assert run.finish(10) == 130
        assert run.result["verdict"] == "interrupted"
        users = run.result["users"]
        assert users["completed"] + sum(users["failed"].values()) == users["started"]
        until("the resets", lambda: not established(lab))


def test_where_one_is_killed_the_others_end_and_it_is_said(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    run = long_run(lab, nginx, recording, "xdp:eth0", THREADS)
    os.kill(children(run)[1], signal.SIGKILL)
    assert run.finish(10) == 3, run.text
    assert "one of the replaying processes was killed by SIGKILL" in run.text
    lab.run("sender", [script("gryphon-intercept"), "--detach", "eth0", "-l", "/dev/null"])


def test_where_the_parent_is_killed_they_reset_their_connections_and_go(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    before = set(established(lab))  # of processes that other tests have killed
    run = long_run(lab, nginx, recording, "xdp:eth0", THREADS)
    left = children(run)
    run.child.kill()
    until("the processes to go", lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))
    until("the resets", lambda: set(established(lab)) <= before)
    lab.run("sender", [script("gryphon-intercept"), "--detach", "eth0", "-l", "/dev/null"])


def test_more_threads_than_addresses_are_refused_before_anything_is_opened(lab: Lab, recording: Recording) -> None:
    line = ["send", "-x", "80-10.16.15.118:80", "-f", str(recording.path), "-s", "xdp:eth0", "-u", "10"]
    run = start(lab, [*line, "-c", "10.17.15.7", *THREADS])
    assert run.finish() == 2
    assert "each needs a forged address of its own, and -c has 1" in run.text
