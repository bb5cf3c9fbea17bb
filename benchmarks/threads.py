"""What further cores bring: `gryphon send --threads N` against the same sink, `python -m benchmarks.threads`.

The sink's and the interception's programs run in the senders' own system calls, so that their share of the cores is in
both figures. The link has a queue for each core, as network cards do: a veth's one queue would take turns.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure, replay
from benchmarks.load import Load
from benchmarks.nginx import REQUESTS, record_sessions
from benchmarks.sinking import sinking
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until

ROWS = {"client packets/s": 0, "times those of the first": 2, "CPU us per client packet, everybody": 2, "complete": 0}
"""Figure to digits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every user of every run completed, 1 when not, 2 and 3 as gryphon itself."""
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.threads", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--users", type=int, default=1_000_000, help="of each run (default 1,000,000)")
    parser.add_argument("--rate", type=int, default=2_000_000, help="new sessions a second (default 2,000,000)")
    parser.add_argument("--threads", default=f"1,{cores}", help=f"several by comma (default 1,{cores})")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--options", default="--transmit xdp -o eth0", help="for gryphon send")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    runs = _runs(options)
    header = [f"{options.users:,} users, {options.runs} runs: median (min to max)"]
    header += [f"--threads {number}" for number in runs]
    rows = [
        [name, *(measure.figure([run[name] for run in each], ROWS[name]) for each in runs.values())] for name in ROWS
    ]
    print(measure.table(header, rows))
    return 0 if all(run["complete"] for each in runs.values() for run in each) else 1


def _runs(options: argparse.Namespace) -> dict[int, list[dict[str, float]]]:
    """The runs with each number of threads, in turn."""
    numbers = [int(text) for text in options.threads.split(",")]
    runs: dict[int, list[dict[str, float]]] = {number: [] for number in numbers}
    with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "sessions.pcap"
        record_sessions(capture)
        load = Load(options.users, options.rate, REQUESTS, capture, 120)
        for _ in range(options.runs):
            for number in numbers:
                run = _one(load, [*options.options.split(), "--threads", str(number)], max(numbers))
                first = runs[numbers[0]][-1] if number != numbers[0] else run
                run["times those of the first"] = run["client packets/s"] / first["client packets/s"]
                runs[number].append(run)
    return runs


def _one(load: Load, options: Sequence[str], queues: int) -> dict[str, float]:
    """One run's figures."""
    with Lab(queues=queues) as lab, sinking(lab), replay.intercepting(lab, replay.named("local")) as ready:
        sender = replay.send(lab, load, ready, options)
        until("gryphon to finish", lambda: measure.has_ended(sender), seconds=load.patience)
        report = replay.result(lab, sender)
    sent = report["packets"]["sent"]
    return {
        "client packets/s": sent / report["duration_s"],
        "CPU us per client packet, everybody": report["cost"]["cpu_s"] / sent * 1e6,
        "complete": int(report["users"]["completed"] == load.users),
    }


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
