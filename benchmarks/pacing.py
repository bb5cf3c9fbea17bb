"""How late are scheduled packets, by their rate? `python -m benchmarks.pacing`, against the packet-level sink.

Every session of the capture is three requests; a start or a request is late by the time between its moment by the
schedule and the step of the engine that sends it (`pacing` of the result file), its way to the wire not included.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import measure, replay
from benchmarks.load import Load
from benchmarks.nginx import REQUESTS, record_sessions
from benchmarks.sinking import sinking
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until

RATES = "1000,10000,100000,300000"
PER_SESSION = 10
"""Client packets of a session, about; the table has what was really sent."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every user of every run completed, 1 when not, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rates", default=RATES, help=f"client packets a second, several by comma (default {RATES})")
    parser.add_argument("--seconds", type=float, default=5, help="of each run (default 5)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--options", default="--transmit xdp -o eth0", help="for gryphon send")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    runs = _runs(options)
    print(_table(runs))
    return 0 if all(report["users"]["completed"] == report["users"]["requested"] for _, report in runs) else 1


def _runs(options: argparse.Namespace) -> list[tuple[int, dict[str, Any]]]:
    """(rate asked for, result file) of every run; the rates take turns."""
    rates = [int(text) for text in options.rates.split(",")]
    with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "sessions.pcap"
        record_sessions(capture)
        _one(capture, rates[0], 1, options.options.split())  # may have to compile
        turns = [rate for _ in range(options.runs) for rate in rates]
        return [(rate, _one(capture, rate, options.seconds, options.options.split())) for rate in turns]


def _one(capture: Path, rate: int, seconds: float, options: Sequence[str]) -> dict[str, Any]:
    """One run's result file."""
    sessions = max(rate // PER_SESSION, 1)
    load = Load(int(sessions * seconds), sessions, REQUESTS, capture, 120 + seconds)
    with Lab() as lab, sinking(lab), replay.intercepting(lab, replay.named("local")) as ready:
        sender = replay.send(lab, load, ready, options)
        until("gryphon to finish", lambda: measure.has_ended(sender), seconds=load.patience)
        return replay.result(lab, sender)


def _table(runs: Sequence[tuple[int, dict[str, Any]]]) -> str:
    header = ["packets/s asked for", "sent", "late p50, ms", "late p99, ms", "late max, ms"]
    rows = []
    for rate in dict.fromkeys(rate for rate, _ in runs):
        reports = [report for asked, report in runs if asked == rate]
        sent = [report["packets"]["sent"] / report["duration_s"] for report in reports]
        late = [[report["pacing"][f"late_{which}_us"] / 1e3 for report in reports] for which in ("p50", "p99", "max")]
        rows.append([f"{rate:,}", measure.figure(sent), *(measure.figure(figures, 3) for figures in late)])
    return measure.table(header, rows)


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
