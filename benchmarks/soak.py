"""``python -m benchmarks.soak``: a steady load of users that come back, for as long as one likes, and what drifts.

nginx in the lab, `gryphon-intercept --tc` on its host, `gryphon send --loops --duration`. Memory (what each process has
of its own and its part of what is shared), open files and threads of both commands are looked at every ten seconds;
users, rates and latencies come from the result's series. The first fifth is left out: then everything has its size.
Exit status 1: something of the last fifth differs from the second by more than it may.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import measure, replay
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import record
from gryphon.lab.servers import PORT, Nginx

_EVERY_S = 10.0
_PARTS = 5
MIB = 1 << 20


class Look(NamedTuple):
    """At one process."""

    memory: int
    files: int
    threads: int


class Drift(NamedTuple):
    """One figure in the second and in the last fifth of the run, and by how much it may grow."""

    what: str
    early: float
    late: float
    allowed: float

    @property
    def holds(self) -> bool:
        return self.late - self.early <= self.allowed


def look(pid: int) -> Look:
    """What a process holds now."""
    process = Path(f"/proc/{pid}")
    files = len(list((process / "fd").iterdir()))
    return Look(measure.proportional_bytes(pid), files, len(list((process / "task").iterdir())))


def soak(lab: Lab, nginx: Nginx, seconds: float, users: int) -> tuple[dict[str, list[Look]], dict[str, Any]]:
    """The run; what was seen of both commands, and the result."""
    recording = record(lab, nginx, lab.directory / "recorded.pcap")
    seen: dict[str, list[Look]] = {"gryphon": [], "gryphon-intercept": []}
    with replay.intercepting(lab, replay.named("target")) as ready:
        assert ready.process is not None
        line = [
            "-u",
            str(users),
            "-i",
            "50",
            "-a",
            "0.1",
            "--loops",
            "forever",
            "--duration",
            f"{seconds:.0f}s",
            "--quiet",
        ]
        sender = replay.start(lab, ready, recording.path, PORT, line)
        while not measure.has_ended(sender):
            _wait(sender)
            if not measure.has_ended(sender):
                seen["gryphon"].append(look(sender.pid))
                seen["gryphon-intercept"].append(look(ready.process.pid))
        return seen, replay.result(lab, sender)


def _wait(sender: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _EVERY_S
    while time.monotonic() < until and not measure.has_ended(sender):
        time.sleep(0.1)


def drifts(seen: dict[str, list[Look]], series: Sequence[dict[str, Any]]) -> list[Drift]:
    """Every figure that must stay as it is."""
    found = []
    for name, looks in seen.items():
        early, late = _fifths(looks)
        memory = [statistics.median(one.memory for one in part) / MIB for part in (early, late)]
        found.append(Drift(f"{name}: memory, MiB", *memory, 1 + 0.02 * memory[0]))
        found.append(Drift(f"{name}: open files", max(e.files for e in early), max(e.files for e in late), 0))
        found.append(Drift(f"{name}: threads", max(e.threads for e in early), max(e.threads for e in late), 0))
    early_rows, late_rows = _fifths([row for row in series if row["active"]])
    for key, allowed in (("active", 0.05), ("p50_ms", 0.5), ("p99_ms", 1.0)):
        medians = [statistics.median(row[key] or 0 for row in part) for part in (early_rows, late_rows)]
        found.append(Drift(f"series: {key}", *medians, allowed * medians[0]))
    return found


def _fifths(rows: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The second and the last."""
    size = max(1, len(rows) // _PARTS)
    return rows[size : 2 * size] or rows, rows[-size:]


def main() -> int:
    """The run, its figures, and whether they hold."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    options.add_argument("--seconds", type=float, default=3600)
    options.add_argument("--users", type=int, default=300, help="at once; each comes back as soon as it is done")
    chosen = options.parse_args()
    print(measure.environment_line(), flush=True)
    with Lab() as lab, Nginx(lab, counted=False) as nginx:
        seen, result = soak(lab, nginx, chosen.seconds, chosen.users)
    sessions, packets = result["sessions_run"], result["packets"]
    print(
        f"{result['duration_s']:.0f} s, {sessions['completed']:,} sessions completed, {packets['sent']:,} packets, "
        f"failed {sum(result['users']['failed'].values())}, records lost {packets['ring_lost']}"
    )
    found = drifts(seen, result["series"])
    rows = [(one.what, f"{one.early:,.1f}", f"{one.late:,.1f}", "" if one.holds else "DRIFTS") for one in found]
    print(measure.table(("", "second fifth", "last fifth", ""), rows))
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
