"""`gryphon send` as a process on the lab's sender, for the tests of whole runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gryphon.lab.commands import interception, options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.waiting import until
from gryphon.lab.wiring import HostName

TOKEN = "the token of these tests"
ENVIRONMENT = {**os.environ, "GRYPHON_TOKEN": TOKEN}
BY_NAME = {topology.name: topology for topology in TOPOLOGIES}


@dataclass
class Run:
    """One `gryphon send`, running or ended."""

    lab: Lab
    child: subprocess.Popen[bytes]
    output: Path
    json: Path

    def finish(self, seconds: float = 60) -> int:
        """Wait for its end; the exit status."""
        return self.child.wait(timeout=seconds)

    @property
    def text(self) -> str:
        """What it has printed so far, both streams."""
        return self.output.read_text()

    @property
    def result(self) -> Any:
        """The result file."""
        return json.loads(self.json.read_text())


def start(lab: Lab, line: Sequence[str], host: HostName = "sender", *, fed: Path | None = None) -> Run:
    """Start `gryphon` with these words and a result file; `fed` is a gzip file that zcat pipes into it."""
    output, result = lab.directory / "send.output", lab.directory / "send.json"
    result.unlink(missing_ok=True)
    with output.open("wb") as file:
        argv = [script("gryphon"), *line, "--json", str(result)]
        if fed is not None:
            argv = ["/bin/sh", "-c", 'zcat "$0" | "$@"', str(fed), *argv]
        child = lab.popen(host, argv, stdout=file, stderr=file, environment=ENVIRONMENT)
    return Run(lab, child, output, result)


def long_run(lab: Lab, nginx: Nginx, recording: Recording, intercept: str, more: Sequence[str] = ()) -> Run:
    """A run in its middle: it takes 20 seconds when nobody ends it, and gives up a silent server after 3."""
    before = nginx.mark().accepted
    run = start(lab, [*options(recording, intercept, 2000), "-i", "100", "-t", "3", *more])

    def running() -> bool:
        assert run.child.poll() is None, run.text
        return nginx.mark().accepted >= before + 20

    until("the twentieth user", running, seconds=30)
    return run


def established(lab: Lab) -> list[str]:
    """The server's connections with forged addresses that are open."""
    shown = lab.run("server", ["ss", "-Htn", "state", "established"]).stdout
    return [line for line in shown.splitlines() if " 10.17." in line or "fd00:17" in line]


@contextmanager
def intercepted(lab: Lab, name: str, *more: str) -> Iterator[tuple[Topology, subprocess.Popen[bytes] | None]]:
    """A topology's routes and its `gryphon-intercept`, if it has one, with further options."""
    topology = BY_NAME[name]
    lab.route_forged(topology.via)
    with interception(lab, topology, ENVIRONMENT, tell=lambda _: None, more=more) as child:
        yield topology, child
