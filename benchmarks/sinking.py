"""The packet-level sink in the lab, and its counts while it serves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import sink
from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until
from gryphon.lab.wiring import HostName


@contextmanager
def sinking(lab: Lab, counted: bool = False) -> Iterator[Callable[[], dict[str, float]]]:
    """Has the sink on the server's eth0; with ``counted``, what it counted up to a tenth of a second ago can be asked.

    Raises:
        EnvironmentFault: it does not start.
    """
    counts = lab.directory / "sink.counts"
    with _running(lab, "server", ["--counts-file", str(counts)] if counted else []):
        if counted:
            until("the sink to count", counts.exists)
        yield lambda: json.loads(counts.read_text())


@contextmanager
def passing(lab: Lab) -> Iterator[None]:
    """Has a program on the sender's eth0 that passes everything, where nobody else has one there."""
    with _running(lab, "sender", ["--pass"]):
        yield


@contextmanager
def _running(lab: Lab, host: HostName, options: Sequence[str]) -> Iterator[None]:
    ready = lab.directory / f"{host}.sink.ready"
    line = [sys.executable, str(Path(sink.__file__)), "eth0", "--ready-file", str(ready), *options]
    child = lab.popen(host, line, stdout=subprocess.DEVNULL)

    def is_ready() -> bool:
        if child.poll() is not None:
            raise EnvironmentFault("The sink did not start; it says above why.")
        return ready.exists()

    until("the sink to be ready", is_ready, seconds=30)
    try:
        yield
    finally:
        lab.end(child)
