"""The packet-level sink in the lab, and its counts while it serves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import sink
from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until


@contextmanager
def sinking(lab: Lab, counted: bool = False) -> Iterator[Callable[[], dict[str, float]]]:
    """Has the sink on the server's eth0; with ``counted``, what it counted up to a tenth of a second ago can be asked.

    Raises:
        EnvironmentFault: it does not start.
    """
    ready, counts = lab.directory / "sink.ready", lab.directory / "sink.counts"
    line = [sys.executable, str(Path(sink.__file__)), "eth0", "--ready-file", str(ready)]
    if counted:
        line += ["--counts-file", str(counts)]
    child = lab.popen("server", line, stdout=subprocess.DEVNULL)

    def is_ready() -> bool:
        if child.poll() is not None:
            raise EnvironmentFault("The sink did not start; it says above why.")
        return (counts if counted else ready).exists()

    until("the sink to be ready", is_ready, seconds=30)
    try:
        yield lambda: json.loads(counts.read_text())
    finally:
        lab.end(child)
