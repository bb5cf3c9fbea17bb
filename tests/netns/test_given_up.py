"""Both commands work with the capabilities that the docs name and no others, and give up what they need no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from intercepting import Intercept, sender
from sending import intercepted, long_run

from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.waiting import until

ADMIN = 1 << 12


def held(pid: int) -> set[tuple[int, int]]:
    """Permitted capabilities and no_new_privs of every thread of a process and of its children."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        found.add((int(status["CapPrm"], 16), int(status["NoNewPrivs"])))
        for child in (task / "children").read_text().split():
            found |= held(int(child))
    return found


def limited(lab: Lab, name: str, capabilities: str) -> str:
    """A command that begins with these capabilities alone."""
    path = lab.directory / f"limited-{name}"
    path.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-all,{capabilities} -- {script(name)} "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def _limited(lab: Lab, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The commands of the helpers, limited."""
    import intercepting
    import sending

    needed: dict[str, str] = request.param
    for module in (sending, intercepting):
        monkeypatch.setattr(module, "script", lambda name: limited(lab, name, needed[name]))


REMOTE = {"gryphon": "+net_raw", "gryphon-intercept": "+bpf,+net_admin,+perfmon"}
LOCAL = {"gryphon": "+net_raw,+bpf,+net_admin,+perfmon", "gryphon-intercept": "-all"}


@pytest.mark.parametrize(("hook", "kept"), [("--tc", ADMIN), ("--xdp", 0)])
@pytest.mark.parametrize("_limited", [REMOTE], indirect=True, ids=["limited"])
@pytest.mark.usefixtures("_limited")
def test_an_intercept_attaches_grants_and_detaches_with_three_and_keeps_at_most_one(
    lab: Lab, hook: str, kept: int
) -> None:
    intercept = Intercept(lab, "server", "limited", hook, "eth0", "--linger", "0")
    intercept.is_ready()
    sender(lab, "of-limited").says("granted")
    left = held(intercept.child.pid)
    intercept.child.terminate()
    assert intercept.ends() == 0, intercept.said
    assert left == {(kept, 1)}
    assert "detached from eth0" in intercept.said


@pytest.mark.parametrize(
    ("topology", "more", "kept", "_limited"),
    [
        ("target", [], 0, REMOTE),
        ("target", ["--threads", "2"], 0, REMOTE),
        ("local", [], 0, LOCAL),
        ("target", ["--transmit", "xdp"], ADMIN, LOCAL),
    ],
    indirect=["_limited"],
    ids=["raw", "raw, two processes", "local", "xdp"],
)
@pytest.mark.usefixtures("_limited", "taking")
def test_a_sender_runs_with_what_it_needs_and_keeps_nothing_but_the_neighbours(
    lab: Lab, nginx: Nginx, recording: Recording, topology: str, more: Sequence[str], kept: int
) -> None:
    with intercepted(lab, topology) as (where, _):
        run = long_run(lab, nginx, recording, where.intercept, more)
        until("a user that has completed", lambda: re.search(r" done [1-9]", run.text), seconds=30)
        left = held(run.child.pid)
        run.child.terminate()
        assert run.finish(20) == 130, run.text
        assert left == {(kept, 1)}
        assert run.result["users"]["completed"] > 0
