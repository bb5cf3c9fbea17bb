"""What looking on costs a run: `python -m benchmarks.live` has the live view, plain lines and `--quiet` in turn.

Against the packet-level sink, once flat out and once at a rate that a core keeps easily. The view is drawn on a
terminal of 80 by 24 characters, which somebody reads.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import struct
import sys
import tempfile
import termios
import threading
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure, replay
from benchmarks.load import Load
from benchmarks.nginx import REQUESTS, record_sessions
from benchmarks.sinking import sinking
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until

WAYS = ("quiet", "lines", "view")
_SIZE = (24, 80)
ROWS = {
    "client packets/s": 0,
    "times those of quiet": 2,
    "CPU us per client packet, everybody": 2,
    "CPU of the view, ms a second": 1,
    "bytes drawn a second": 0,
    "late p50, ms": 3,
    "late p99, ms": 3,
    "complete": 0,
}
"""Figure to digits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every user of every run completed, 1 when not, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=1_000_000, help="flat out (default 1,000,000)")
    parser.add_argument("--rate", type=int, default=10_000, help="sessions a second of the other (default 10,000)")
    parser.add_argument("--seconds", type=float, default=8, help="of that (default 8)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--options", default="--transmit xdp -o eth0", help="for gryphon send")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    whole = True
    with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "sessions.pcap"
        record_sessions(capture)
        loads = {
            f"flat out, {options.users:,} users": Load(options.users, 2_000_000, REQUESTS, capture, 120),
            f"{options.rate:,} sessions/s": Load(
                int(options.rate * options.seconds), options.rate, REQUESTS, capture, 120 + options.seconds
            ),
        }
        for name, load in loads.items():
            runs = _runs(load, options.runs, options.options.split())
            print(_table(f"{name}, {options.runs} runs: median (min to max)", runs), flush=True)
            whole &= all(run["complete"] for each in runs.values() for run in each)
    return 0 if whole else 1


def _runs(load: Load, turns: int, options: Sequence[str]) -> dict[str, list[dict[str, float]]]:
    """Every way in turn, so that a busy moment of the machine hits all alike."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(turns):
        for way in WAYS:
            run = _one(load, way, options)
            quiet = runs[WAYS[0]][-1] if way != WAYS[0] else run
            run["times those of quiet"] = run["client packets/s"] / quiet["client packets/s"]
            runs[way].append(run)
    return runs


def _one(load: Load, way: str, options: Sequence[str]) -> dict[str, float]:
    """One run's figures."""
    more = ["--quiet"] if way == "quiet" else []
    with Lab() as lab, sinking(lab), replay.intercepting(lab, replay.named("local")) as ready, _Terminal() as terminal:
        ready = ready._replace(environment={**ready.environment, "TERM": "xterm-256color"})
        screen = terminal.theirs if way == "view" else None
        sender = replay.send(lab, load, ready, [*options, *more], screen)
        until("gryphon to finish", lambda: measure.has_ended(sender), seconds=load.patience)
        viewing = measure.waited_seconds(sender.pid)
        report = replay.result(lab, sender)
    seconds, sent = report["duration_s"], report["packets"]["sent"]
    return {
        "client packets/s": sent / seconds,
        "CPU us per client packet, everybody": report["cost"]["cpu_s"] / sent * 1e6,
        "CPU of the view, ms a second": viewing / seconds * 1e3,
        "bytes drawn a second": terminal.read / seconds,
        "late p50, ms": (report["pacing"]["late_p50_us"] or 0) / 1e3,
        "late p99, ms": (report["pacing"]["late_p99_us"] or 0) / 1e3,
        "complete": int(report["users"]["completed"] == load.users),
    }


class _Terminal:
    """A terminal that is read and shown to nobody.

    Attributes:
        theirs: the descriptor to write to.
        read: bytes so far.
    """

    def __enter__(self) -> _Terminal:
        self._ours, self.theirs = os.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("4H", *_SIZE, 0, 0))
        self.read = 0
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()
        return self

    def _drain(self) -> None:
        try:
            while piece := os.read(self._ours, 1 << 16):
                self.read += len(piece)
        except OSError:  # nobody has it open for writing any more
            pass

    def __exit__(self, *_: object) -> None:
        os.close(self.theirs)
        self._reader.join()
        os.close(self._ours)


def _table(title: str, runs: dict[str, list[dict[str, float]]]) -> str:
    rows = [
        [name, *(measure.figure([run[name] for run in each], digits) for each in runs.values())]
        for name, digits in ROWS.items()
    ]
    return measure.table([title, *runs], rows)


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
