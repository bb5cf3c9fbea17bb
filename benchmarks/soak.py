"""``python -m benchmarks.soak``: a steady load of users that come back, for as long as one likes, and what drifts.

nginx in the lab, `gryphon-intercept --tc` on its host, `gryphon send --loops --duration`. Memory (what each process has
of its own and its part of what is shared), open files and threads of both commands are looked at every ten seconds,
and what the sender's metrics have: users with an open session, and users that stand in the timer wheel. Latencies come
from the result's series, of each part the quietest quarter of the seconds: others on the machine make some seconds
slow, what gryphon leaves behind would make all of them slow. The first fifth is left out: then everything has its size.
Everything that was seen is written to build/soak.json. Exit status 1: something of the last fifth differs from the
second by more than it may.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import measure, replay
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.recording import VISITS, Visit, record
from gryphon.lab.servers import PORT, Nginx

_EVERY_S = 10.0
_PARTS = 5
_ROWS = {
    ("users with an open session", "open"): 0.01,
    ("users in the timer wheel", "timers"): 0.01,
    ("load of the machine, one minute", "load"): math.inf,
}
_READERS = [Visit(one.name, one.paths, ("--rate", "5/s")) for one in VISITS if len(one.paths) > 1]
"""Each waits 200 ms before its next page: the load is the same, however fast the machine was when it recorded."""

_KEPT = Path("build/soak.json")
_METRICS = "127.0.0.1:9637"
MIB = 1 << 20
_SERIES_MIB = 8
"""What the result's series may grow by: it has its full number of rows after half an hour, and fuller rows later."""


class Look(NamedTuple):
    """At one process."""

    memory: int
    files: int
    threads: int


class Rows(NamedTuple):
    """Of the sender's users, which are rows: as its metrics have them."""

    open: int  # with a session between its SYN and its end
    timers: int  # that stand in the timer wheel
    completed: int  # sessions so far
    load: float  # of the machine, the last minute: gryphon's and that of others


class Seen(NamedTuple):
    """What was seen of a run, look by look."""

    gryphon: list[Look]
    intercept: list[Look]
    rows: list[Rows]


class Drift(NamedTuple):
    """One figure in the second and in the last fifth of the run, and by how much it may grow (``both``: or shrink)."""

    what: str
    early: float
    late: float
    allowed: float
    both: bool = False

    @property
    def holds(self) -> bool:
        change = self.late - self.early
        return (abs(change) if self.both else change) <= self.allowed


def look(pid: int) -> Look:
    """What a process holds now."""
    process = Path(f"/proc/{pid}")
    files = len(list((process / "fd").iterdir()))
    return Look(measure.proportional_bytes(pid), files, len(list((process / "task").iterdir())))


def rows(lab: Lab) -> Rows | None:
    """The sender's rows now; None when it serves no metrics yet, or no more."""
    asked = lab.run("sender", [tool("curl"), "-sf", "--max-time", "5", f"http://{_METRICS}/metrics"], check=False)
    figures = dict(line.rpartition(" ")[::2] for line in asked.stdout.splitlines() if not line.startswith("#"))
    names = ("gryphon_sessions_active", "gryphon_timers", "gryphon_sessions_completed_total")
    if asked.returncode:
        return None
    return Rows(*(int(float(figures[name])) for name in names), os.getloadavg()[0])


def soak(lab: Lab, nginx: Nginx, seconds: float, users: int, speed: float) -> tuple[Seen, dict[str, Any]]:
    """The run; what was seen of both commands, and the result."""
    recording = record(lab, nginx, lab.directory / "recorded.pcap", visits=_READERS)
    seen = Seen([], [], [])
    with replay.intercepting(lab, replay.named("target")) as ready:
        assert ready.process is not None
        load = ["-u", str(users), "-i", "50", "-a", str(speed), "--loops", "forever", "--duration", f"{seconds:.0f}s"]
        sender = replay.start(lab, ready, recording.path, PORT, [*load, "--quiet", "--metrics", _METRICS])
        until = time.monotonic() + seconds  # afterwards users leave
        while not measure.has_ended(sender):
            _wait(sender)
            found = rows(lab)
            if found is not None and time.monotonic() < until:
                seen.rows.append(found)
                seen.gryphon.append(look(sender.pid))
                seen.intercept.append(look(ready.process.pid))
        return seen, replay.result(lab, sender)


def _wait(sender: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _EVERY_S
    while time.monotonic() < until and not measure.has_ended(sender):
        time.sleep(0.1)


def drifts(seen: Seen, series: Sequence[dict[str, Any]]) -> list[Drift]:
    """Every figure that must stay as it is."""
    found = []
    for name, looks, grows in (("gryphon", seen.gryphon, _SERIES_MIB), ("gryphon-intercept", seen.intercept, 0)):
        early, late = _fifths(looks)
        before, after = (statistics.median(one.memory for one in part) / MIB for part in (early, late))
        found.append(Drift(f"{name}: memory, MiB", before, after, 1 + 0.02 * before + grows))
        found.append(Drift(f"{name}: open files", max(e.files for e in early), max(e.files for e in late), 0))
        found.append(Drift(f"{name}: threads", max(e.threads for e in early), max(e.threads for e in late), 0))
    parts = _fifths(seen.rows)
    for (what, field), allowed in _ROWS.items():
        early_row, late_row = (statistics.median(getattr(one, field) for one in part) for part in parts)
        found.append(Drift(what, early_row, late_row, allowed * early_row, both=True))
    seconds = _fifths([row for row in series if row["active"]])
    for key, share, least in (("p50_ms", 0.25, 1.0), ("p99_ms", 0.5, 10.0)):
        calm, later = (_quarter([row[key] or 0 for row in part]) for part in seconds)
        found.append(Drift(f"response, {key[:3]}, ms", calm, later, least + share * calm))
    return found


def _quarter(values: Sequence[float]) -> float:
    """What a quarter of the values lie below."""
    return sorted(values)[len(values) // 4]


def _fifths(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The second and the last."""
    size = max(1, len(values) // _PARTS)
    return values[size : 2 * size] or values, values[-size:]


def main() -> int:
    """The run, its figures, and whether they hold."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    options.add_argument("--seconds", type=float, default=3600)
    options.add_argument("--users", type=int, default=300, help="at once; each comes back as soon as it is done")
    options.add_argument("--speed", type=float, default=0.5, help="of the users: -a of send")
    chosen = options.parse_args()
    print(measure.environment_line(), flush=True)
    with Lab() as lab, Nginx(lab, counted=False) as nginx:
        seen, result = soak(lab, nginx, chosen.seconds, chosen.users, chosen.speed)
    _KEPT.parent.mkdir(exist_ok=True)
    _KEPT.write_text(json.dumps({"seen": seen._asdict(), "result": result}))
    sessions, packets = result["sessions_run"], result["packets"]
    print(
        f"{result['duration_s']:.0f} s, {sessions['completed']:,} sessions completed, {packets['sent']:,} packets, "
        f"failed {sum(result['users']['failed'].values())}, records lost {packets['ring_lost']}"
    )
    found = drifts(seen, result["series"])
    lines = [
        (one.what, f"{one.early:,.1f}", f"{one.late:,.1f}", f"{one.allowed:,.1f}", "" if one.holds else "DRIFTS")
        for one in found
    ]
    print(measure.table(("", "second fifth", "last fifth", "may grow by", ""), lines))
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
