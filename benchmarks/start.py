"""How long the commands take to begin: `python -m benchmarks.start`.

`gryphon send` from the command to the first packet that the sink counts at the server's interface, with the compiled
kernels in their cache and without (an empty one in its place); `gryphon-intercept` from the command to ready;
`gryphon --help` from the command to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import measure, nginx, replay, sink
from benchmarks.inside import inside
from gryphon.controller.errors import EnvironmentFault
from gryphon.lab import needs
from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import PORT
from gryphon.sender import compiled
from gryphon.sender.compiled import cache_directory

ROWS = (
    "gryphon --help",
    "gryphon-intercept --tc to ready",
    "gryphon-intercept --xdp to ready",
    "gryphon send to the first packet, warm",
    "gryphon send to the first packet, cold",
)
_POLL = 0.001
_USERS = 10
_PATIENCE = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cold-runs", type=int, default=3, help="each compiles all kernels (default 3; 0: none)")
    parser.add_argument("--options", default="", help="further options for gryphon send")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    seconds = _measured(options)
    rows = [[row, measure.figure(seconds[row], 2)] for row in ROWS]
    print(measure.table(["seconds: median (min to max)", f"{options.runs} runs"], rows))
    if options.json:
        options.json.write_text(json.dumps({"environment": measure.environment(), "seconds": seconds}, indent=2) + "\n")
    return 0


def _measured(options: argparse.Namespace) -> dict[str, list[float]]:
    """All rows in turn, so that a busy moment hits all alike; the first start, which may compile, does not count."""
    seconds: dict[str, list[float]] = {row: [] for row in ROWS}
    with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "sessions.pcap"
        nginx.record_sessions(capture)
        further = options.options.split()
        _send(capture, further)
        for number in range(max(options.runs, options.cold_runs)):
            if number < options.runs:
                seconds[ROWS[0]].append(_help())
                seconds[ROWS[1]].append(_intercept("--tc"))
                seconds[ROWS[2]].append(_intercept("--xdp"))
                seconds[ROWS[3]].append(_send(capture, further))
            if number < options.cold_runs:
                seconds[ROWS[4]].append(_send(capture, further, cold=True))
    return seconds


def _help() -> float:
    begun = time.perf_counter()
    subprocess.run([script("gryphon"), "--help"], stdout=subprocess.DEVNULL, check=True, timeout=_PATIENCE)
    return time.perf_counter() - begun


def _intercept(hook: str) -> float:
    """From the command to the file that says ready, on the lab's server; it is ended at once."""
    with Lab() as lab:
        ready = lab.directory / "intercept.ready"
        line = [script("gryphon-intercept"), hook, "eth0", "--ready-file", str(ready), "--linger", "0"]
        environment = os.environ | {"GRYPHON_TOKEN": secrets.token_urlsafe(16)}
        begun = time.perf_counter()
        child = lab.popen("server", line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, environment=environment)
        seconds = _until("gryphon-intercept", begun, child, ready.exists)
        lab.end(child)
    return seconds


def _send(capture: Path, options: Sequence[str], cold: bool = False) -> float:
    """From the command to the first SYN that the sink counts, in the local topology.

    Cold, the cache is an empty file system that only this run sees. The cache's place is fixed, whatever HOME says.
    """
    cache = cache_directory(Path(compiled.__file__).parent / "replay")
    if cache is None:
        raise EnvironmentFault("gryphon has no safe place for compiled kernels here, so it cannot start warm.")
    mounted = f'mount -t tmpfs none {shlex.quote(str(cache.parent))} && exec "$@"'
    within = [needs.tool("unshare"), "--mount", "sh", "-c", mounted, "sh"] if cold else []
    users = ["-u", str(_USERS), "-i", "1000", *options]
    with Lab() as lab, ExitStack() as undo:
        with inside(lab, "server"):
            module = undo.enter_context(sink.serving("eth0", PORT, sink.answer(160)))
        ready = undo.enter_context(replay.intercepting(lab, replay.named("local")))
        begun = time.perf_counter()
        child = replay.start(lab, ready, capture, PORT, users, within)
        seconds = _until("gryphon send", begun, child, lambda: sink.counts(module)["syn"] > 0)
        lab.end(child, patience=20)
    return seconds


def _until(name: str, begun: float, child: subprocess.Popen[bytes], seen: Callable[[], bool]) -> float:
    """Seconds until something is seen.

    Raises:
        EnvironmentFault: the command has ended before, or takes too long.
    """
    while not seen():
        if child.poll() is not None or time.perf_counter() - begun > _PATIENCE:
            raise EnvironmentFault(f"{name} showed nothing of what was waited for (status {child.returncode}).")
        time.sleep(_POLL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
