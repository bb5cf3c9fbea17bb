"""Runs gryphon in the lab, in one of its three topologies."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.load import FORGED, Load, Outcome
from benchmarks.progress import Follower
from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.lab.commands import interception, script
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.wiring import SERVER_V4


class Intercepting(NamedTuple):
    """A topology that is ready for `gryphon send`."""

    topology: Topology
    process: subprocess.Popen[bytes] | None
    environment: Mapping[str, str]


def named(name: str) -> Topology:
    """A topology by its name.

    Raises:
        InputFault: there is none of that name.
    """
    for topology in TOPOLOGIES:
        if topology.name == name:
            return topology
    raise InputFault(f"{name!r} is no topology: use {', '.join(topology.name for topology in TOPOLOGIES)}.")


def transmitting(name: str) -> list[str]:
    """The options for one of gryphon's ways to send, on the lab's sender."""
    return ["--transmit", name, *(() if name in ("raw", "auto") else ("-o", "eth0"))]


def run(lab: Lab, nginx: Nginx, load: Load, topology: Topology, options: Sequence[str] = ()) -> Outcome:
    """Replays the load with gryphon.

    Args:
        options: further ones for `gryphon send`.

    Raises:
        EnvironmentFault: it wrote no result; the sentence has its last words.
    """
    with intercepting(lab, topology) as ready:
        follower = Follower(lab, nginx, [ready.process.pid] if ready.process else [])
        sender = send(lab, load, ready, options)
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
        busy=seen.busy,
        note=_note(report),
    )


@contextmanager
def intercepting(lab: Lab, topology: Topology, sample: int = 0) -> Iterator[Intercepting]:
    """Leads the answers where the topology wants them and has its intercept there.

    Args:
        sample: bytes of each segment's payload that it shows the sender.
    """
    lab.route_forged(topology.via)
    environment = os.environ | {"GRYPHON_TOKEN": secrets.token_urlsafe(16)}
    log = ["-l", str(lab.directory / "intercept.log")]
    more = [*log, "--sample", str(sample)] if sample else log
    with interception(lab, topology, environment, lambda _: None, more) as process:
        yield Intercepting(topology, process, environment)


def send(
    lab: Lab, load: Load, ready: Intercepting, options: Sequence[str] = (), screen: int | None = None
) -> subprocess.Popen[bytes]:
    """Starts `gryphon send` against nginx; its result and its output are for `result`, its errors for a `screen`."""
    line = ["-u", str(load.users), "-i", str(load.rate), *options]
    return start(lab, ready, load.capture, PORT, line, screen=screen)


def start(
    lab: Lab,
    ready: Intercepting,
    capture: Path,
    port: int,
    options: Sequence[str],
    within: Sequence[str] = (),
    screen: int | None = None,
) -> subprocess.Popen[bytes]:
    """Starts `gryphon send` against any server of the lab; its result and its output are for `result`.

    Args:
        port: the recorded one, and the server's.
        options: with the number of users.
        within: a command that runs it.
        screen: descriptor of a terminal that is its standard error.
    """
    (lab.directory / "result.json").unlink(missing_ok=True)
    line = [
        *(*within, script("gryphon"), "send"),
        *("-x", f"{port}-{SERVER_V4}:{port}"),
        *("-f", str(capture)),
        *("-s", ready.topology.intercept),
        *("-c", ",".join(f"{net}.*" for net in FORGED)),
        *("--json", str(lab.directory / "result.json")),
        *("-l", str(lab.directory / "sender.log")),
        *options,
    ]
    with (lab.directory / "sender.output").open("wb") as output:
        errors = output if screen is None else screen
        return lab.popen("sender", line, stdout=output, stderr=errors, environment=ready.environment)


def result(lab: Lab, sender: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The result file of a sender, which is ended first when it still runs.

    Raises:
        EnvironmentFault: there is none; the sentence has the sender's last words.
    """
    if sender.poll() is None:
        lab.end(sender, patience=20)
    path = lab.directory / "result.json"
    if not path.exists() or not path.stat().st_size:
        said = (lab.directory / "sender.output").read_text(errors="replace").strip().splitlines()
        raise EnvironmentFault(f"gryphon send ended with status {sender.returncode} and no result: {said[-1:]}")
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def _note(report: dict[str, Any]) -> str:
    failed = ", ".join(f"{count} {reason}" for reason, count in report["users"]["failed"].items() if count)
    retransmitted = report["packets"]["retransmitted"]
    parts = [failed and f"failed: {failed}", retransmitted and f"{retransmitted:,} packets retransmitted"]
    return "; ".join(part for part in parts if part)
