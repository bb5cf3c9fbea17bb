"""Runs gryphon in the lab, in one of its three topologies."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmarks.load import FORGED, Load, Outcome
from benchmarks.progress import Follower
from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.waiting import until
from gryphon.lab.wiring import LINKS, SERVER_V4, HostName

Topology = Literal["target", "assistant", "local"]
TOPOLOGIES: tuple[Topology, ...] = ("target", "assistant", "local")

_GRYPHON = str(Path(sys.executable).with_name("gryphon"))
_INTERCEPT = str(Path(sys.executable).with_name("gryphon-intercept"))


class Place(NamedTuple):
    """Where a topology has its intercept: the host and the hook there, and what the sender calls it."""

    host: HostName | None
    hook: str
    name: str


PLACES: dict[Topology, Place] = {
    "target": Place("server", "--tc", SERVER_V4),
    "assistant": Place("assistant", "--xdp", LINKS[2][1].v4),
    "local": Place(None, "", "xdp:eth0"),
}


def run(lab: Lab, nginx: Nginx, load: Load, topology: Topology, options: Sequence[str] = ()) -> Outcome:
    """Replays the load with gryphon.

    Args:
        options: further ones for `gryphon send`.

    Raises:
        EnvironmentFault: it wrote no result; the sentence has its last words.
    """
    with intercepting(lab, topology) as (intercept, token):
        follower = Follower(lab, nginx, [intercept.pid] if intercept else [])
        sender = send(lab, load, topology, token, options)
        seen = follower.follow(sender, load.users * load.requests, load.patience)
        report = result(lab, sender)
    return Outcome(
        users=load.users,
        completed=int(report["users"]["completed"]),
        sessions_per_second=seen.rate() / load.requests,
        client_packets=int(report["packets"]["sent"]),
        sender_cpu=seen.cpu[0],
        intercept_cpu=sum(seen.cpu[1:]),
        server_cpu=seen.server_cpu,
        peak=seen.peak,
        requests=seen.requests,
        connections=seen.connections,
        note=_note(report),
    )


@contextmanager
def intercepting(lab: Lab, topology: Topology) -> Iterator[tuple[subprocess.Popen[bytes] | None, str]]:
    """Leads the answers where the topology wants them and has its intercept there; yields it and its token."""
    place, token = PLACES[topology], secrets.token_hex(16)
    lab.route_forged("assistant" if topology == "assistant" else "sender")
    if place.host is None:
        yield None, token
        return
    ready = lab.directory / "intercept.ready"
    line = [_INTERCEPT, place.hook, "eth0", "--linger", "0", "--ready-file", str(ready)]
    child = _popen(lab, place.host, "intercept", [*line, "-l", str(lab.directory / "intercept.log")], token)

    def is_ready() -> bool:
        if child.poll() is not None:
            raise EnvironmentFault(f"gryphon-intercept did not start: {last_words(lab, 'intercept')}")
        return ready.exists()

    until("gryphon-intercept to be ready", is_ready, seconds=30)
    try:
        yield child, token
    finally:
        lab.end(child)


def send(lab: Lab, load: Load, topology: Topology, token: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Starts `gryphon send`."""
    line = [
        *(_GRYPHON, "send"),
        *("-x", f"{PORT}-{SERVER_V4}:{PORT}"),
        *("-f", str(load.capture)),
        *("-s", PLACES[topology].name),
        *("-u", str(load.users)),
        *("-i", str(load.rate)),
        *("-c", ",".join(f"{net}.*" for net in FORGED)),
        *("--json", str(lab.directory / "result.json")),
        *("-l", str(lab.directory / "sender.log")),
        *options,
    ]
    return _popen(lab, "sender", "sender", line, token)


def result(lab: Lab, sender: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The result file of a sender, which is ended first when it still runs."""
    if sender.poll() is None:
        lab.end(sender, patience=20)
    path = lab.directory / "result.json"
    if not path.exists():
        words = last_words(lab, "sender")
        raise EnvironmentFault(f"gryphon send ended with status {sender.returncode} and no result: {words}")
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def last_words(lab: Lab, name: str) -> str:
    """The last line that a program of the lab printed."""
    lines = (lab.directory / f"{name}.output").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no word"


def _note(report: dict[str, Any]) -> str:
    failed = ", ".join(f"{count} {reason}" for reason, count in report["users"]["failed"].items() if count)
    retransmitted = report["packets"]["retransmitted"]
    parts = [failed and f"failed: {failed}", retransmitted and f"{retransmitted:,} packets retransmitted"]
    return "; ".join(part for part in parts if part)


def _popen(lab: Lab, host: HostName, name: str, line: list[str], token: str) -> subprocess.Popen[bytes]:
    with (lab.directory / f"{name}.output").open("wb") as output:
        return lab.popen(host, line, stdout=output, stderr=output, environment=os.environ | {"GRYPHON_TOKEN": token})
