"""What gryphon itself can do, without a server in the way: the packet-level sink, `python -m benchmarks.packets`.

Local topology: the sink (XDP) answers on the server's interface, the interception (XDP) takes the answers on the
sender's. On veth the sink's and the interception's programs run in the sender's own system calls, so the CPU time
here is that of everybody.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import measure, replay
from benchmarks.load import Load
from benchmarks.nginx import REQUESTS, SMALL, record_sessions
from benchmarks.sinking import sinking
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until

ROWS = {
    "client packets/s": 0,
    "new connections/s": 0,
    "CPU us per client packet, everybody": 2,
    "  without the start of the program": 2,
    "bytes of memory per user": 0,
    "users completed": 0,
    "answers lost before the ring": 0,
}
"""Figure to digits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every user of every run completed, 1 when not, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.packets", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=100_000, help="new sessions a second (default 100,000)")
    parser.add_argument("--transmit", default="raw", help="raw, link, xdp, several by comma; each is a column")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--options", default="", help="further options for gryphon send")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    runs = _runs(options)
    header = [f"{options.users:,} users, {options.runs} runs: median (min to max)", *runs]
    print(measure.table(header, [[name, *_cells(name, runs)] for name in ROWS]))
    if options.json:
        spreads = {
            way: {name.strip(): measure.spread([run[name.strip()] for run in those])._asdict() for name in ROWS}
            for way, those in runs.items()
        }
        report = {"environment": measure.environment(), "users": options.users, "figures": spreads, "runs": runs}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(run["users completed"] == options.users for those in runs.values() for run in those) else 1


def _cells(name: str, runs: dict[str, list[dict[str, float]]]) -> list[str]:
    """A row of the table, without its name."""
    return [measure.figure([run[name.strip()] for run in those], ROWS[name]) for those in runs.values()]


def _runs(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """The runs of each transmitter, in turn, so that a busy moment of the machine hits all alike."""
    ways = {way: [*replay.transmitting(way), *options.options.split()] for way in options.transmit.split(",")}
    with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "sessions.pcap"
        record_sessions(capture)
        few = Load(SMALL, options.rate, REQUESTS, capture, 60)
        # one of the two may have to compile
        small = {
            way: min((_one(few, further) for _ in range(2)), key=lambda run: run["outside"]["cpu_s"])
            for way, further in ways.items()
        }
        load = Load(options.users, options.rate, REQUESTS, capture, 60 + 4 * options.users / options.rate)
        runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(options.runs):
            for way, further in ways.items():
                runs[way].append(_figures(_one(load, further), small[way]))
        return runs


def _one(load: Load, options: Sequence[str]) -> dict[str, Any]:
    """One run: the sender's own result file, with its CPU time and its peak of memory as seen from outside."""
    with Lab() as lab, sinking(lab), replay.intercepting(lab, replay.named("local")) as ready:
        sender = replay.send(lab, load, ready, options)
        peak = 0

        def ended() -> bool:
            nonlocal peak
            peak = max(peak, measure.peak_bytes(sender.pid))
            return measure.has_ended(sender)

        until("gryphon to finish", ended, seconds=load.patience)
        cpu = measure.cpu_seconds(sender.pid)
        return replay.result(lab, sender) | {"outside": {"cpu_s": cpu, "peak": peak}}


def _figures(run: dict[str, Any], small: dict[str, Any]) -> dict[str, float]:
    cpu, packets = run["outside"]["cpu_s"], run["packets"]["sent"]
    more_packets = packets - small["packets"]["sent"]
    more_users = run["users"]["requested"] - small["users"]["requested"]
    return {
        "client packets/s": packets / run["duration_s"],
        "new connections/s": run["users"]["connected"] / run["duration_s"],
        "CPU us per client packet, everybody": cpu / packets * 1e6,
        "without the start of the program": (cpu - small["outside"]["cpu_s"]) / more_packets * 1e6,
        "bytes of memory per user": (run["outside"]["peak"] - small["outside"]["peak"]) / more_users,
        "users completed": run["users"]["completed"],
        "answers lost before the ring": run["packets"]["ring_lost"],
    }


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
