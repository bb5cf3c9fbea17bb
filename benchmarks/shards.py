"""What a second core would bring: two senders at once against one, each with a core, a link and a sink of its own.

`python -m benchmarks.shards`. Shards of one run can do no better: these share nothing but the machine. The sink's and
the interception's programs run in each sender's own system calls, on its core, so that their share is in both figures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import measure, packets, replay
from benchmarks.load import Load
from benchmarks.nginx import REQUESTS, record_sessions
from gryphon.controller.errors import Fault, InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every user of every run completed, 1 when not, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shards", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=1_000_000, help="of each sender (default 1,000,000)")
    parser.add_argument("--rate", type=int, default=1_000_000, help="new sessions a second of each (default 1,000,000)")
    parser.add_argument("--shards", type=int, default=os.cpu_count() or 1, help="senders at once (default: one a core)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--options", default="--transmit xdp", help="for gryphon send (default '--transmit xdp')")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    try:
        runs = _runs(options)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    alone, together = ([run[name] for run in runs] for name in ("alone", "together"))
    ratios = [two / one for one, two in zip(alone, together, strict=True)]
    rows = [
        ["one sender, client packets/s", measure.figure(alone)],
        [f"{options.shards} senders, client packets/s", measure.figure(together)],
        ["times", measure.figure(ratios, 2)],
    ]
    print(measure.table([f"{options.users:,} users each, {options.runs} runs", "median (min to max)"], rows))
    return 0 if all(run["completed"] for run in runs) else 1


def _runs(options: argparse.Namespace) -> list[dict[str, Any]]:
    runs = []
    with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "sessions.pcap"
        record_sessions(capture)
        load = Load(options.users, options.rate, REQUESTS, capture, 120)
        for _ in range(options.runs):
            one = _at_once(load, options.options.split(), 1)
            all_of_them = _at_once(load, options.options.split(), options.shards)
            completed = all(report["users"]["completed"] == options.users for report in (*one, *all_of_them))
            runs.append({"alone": _rate(one), "together": _rate(all_of_them), "completed": completed})
    return runs


def _rate(reports: Sequence[dict[str, Any]]) -> float:
    """Client packets a second of all of them."""
    return sum(report["packets"]["sent"] / report["duration_s"] for report in reports)


def _at_once(load: Load, options: Sequence[str], number: int) -> list[dict[str, Any]]:
    """So many senders, started together; their result files."""
    with ExitStack() as undo:
        places = [undo.enter_context(_place()) for _ in range(number)]
        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(lambda core: _one(*places[core], load, options, core), range(number)))


@contextmanager
def _place() -> Iterator[tuple[Lab, replay.Intercepting]]:
    """Hosts with a sink."""
    with Lab() as lab, packets.sinking(lab), replay.intercepting(lab, replay.named("local")) as ready:
        yield lab, ready


def _one(lab: Lab, ready: replay.Intercepting, load: Load, options: Sequence[str], core: int) -> dict[str, Any]:
    """One sender on its core."""
    sender = replay.send(lab, load, ready, options)
    os.sched_setaffinity(sender.pid, {core})
    until("gryphon to finish", lambda: measure.has_ended(sender), seconds=load.patience)
    return replay.result(lab, sender)


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
