"""How many users one machine holds: `python -m benchmarks.scale`.

Users connect as fast as `--rate` says, each has a request answered, and all are held, with a heartbeat every
`--every` seconds; then Ctrl-C resets them all. Against the packet-level sink in the local topology, or against as many
real nginx workers as it takes (`--server nginx`), in the target topology.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import heartbeats, measure, replay, sinking
from benchmarks.held import Held, Holder, Seen
from benchmarks.progress import received
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import PAGES, PORT, Nginx

_WORKER = 18_000
"""Connections that one nginx worker is given: a process has 20,000 files at most on many machines."""
_SUFFIXES = {"k": 1_000, "M": 1_000_000}
_DECIMALS = ("MiB", "seconds", "us per", "whole run", " ms", "of each")
"""What has decimals in the table."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every user connected and was answered, 1 when not, 2 and 3 as gryphon itself."""
    options = _options(arguments)
    print(measure.environment_line(), flush=True)
    runs = _runs(options)
    print(_table(options, runs))
    if options.json:
        report = {
            "environment": measure.environment(),
            "options": {name: str(value) for name, value in vars(options).items()},
            "runs": {str(users): [_record(run) for run in those] for users, those in runs.items()},
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    every = [run for those in runs.values() for run in those]
    return 0 if all(run.figures()["users whose first request was answered"] == run.users for run in every) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=_numbers, default=[10_000_000], help="several by comma: 1k,100k,1M,10M")
    parser.add_argument("--server", choices=("sink", "nginx"), default="sink")
    parser.add_argument("--topology", help="local with the sink, target with nginx, unless another is named")
    parser.add_argument("--transmit", help="raw, link or xdp (default xdp; with nginx raw)")
    parser.add_argument("--rate", type=float, help="new users a second (default 400,000; with nginx 20,000)")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between heartbeats (default 60)")
    parser.add_argument("--hold", type=float, default=60.0, help="seconds that all are held (default 60)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--options", default="", help="further options for gryphon send")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    nginx = options.server == "nginx"
    options.topology = options.topology or ("target" if nginx else "local")
    # from XDP the server's end of the veth would have to have GRO
    options.transmit = options.transmit or ("raw" if nginx else "xdp")
    options.rate = options.rate or (20_000 if nginx else 400_000)
    return options


def _numbers(text: str) -> list[int]:
    """Numbers by comma, with k and M."""
    parts = (part.strip() for part in text.split(","))
    return [int(float(part[:-1]) * _SUFFIXES[part[-1]]) if part[-1:] in _SUFFIXES else int(part) for part in parts]


def _runs(options: argparse.Namespace) -> dict[int, list[Held]]:
    """All numbers of users in turn, so that a busy moment of the machine hits all alike."""
    runs: dict[int, list[Held]] = {users: [] for users in options.users}
    with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "heartbeats.pcap"
        slowest = max(options.users) / options.rate * 4
        beats = int((slowest + options.hold) / options.every) + 2
        page = None if options.server == "sink" else PAGES["index.html"]
        heartbeats.write(capture, beats, options.every, page)
        for number in range(options.runs):
            for users in options.users:
                run = _one(options, users, capture)
                runs[users].append(run)
                figures = run.figures()
                print(
                    f"run {number + 1} of {options.runs}, {users:,} users: "
                    f"{figures['users connected']:,.0f} connected, "
                    f"{figures['connections/s']:,.0f} a second, {figures['heartbeats answered']:,.0f} heartbeats",
                    flush=True,
                )
    return runs


def _one(options: argparse.Namespace, users: int, capture: Path) -> Held:
    """One run in a lab of its own."""
    further = ["-i", f"{options.rate:g}", "--transmit", options.transmit, "--fail-if", "none", *options.options.split()]
    if options.transmit != "raw":
        further += ["-o", "eth0"]
    with Lab() as lab, _serving(lab, options.server, users) as look:
        holder = Holder(lab, look, options.hold, 60 + 4 * users / options.rate)
        with replay.intercepting(lab, replay.named(options.topology)) as ready:
            return holder.run(ready, capture, PORT, users, further)


@contextmanager
def _serving(lab: Lab, server: str, users: int) -> Iterator[Any]:
    """The server, and how to look at its counts."""
    if server == "sink":
        with sinking.sinking(lab, counted=True) as counts:
            yield lambda: _sunk(counts())
        return
    workers = -(-users * 11 // (10 * _WORKER))  # the kernel deals them unevenly
    with Nginx(lab, workers=max(2, workers), connections=max(2, workers) * _WORKER, counted=False) as nginx:
        yield lambda: _marked(lab, nginx)


def _sunk(counts: dict[str, float]) -> Seen:
    numbers = {kind: int(counts[kind]) for kind in ("syn", "data", "fin", "ack", "rst")}
    packets = sum(numbers.values())
    return Seen(counts["time"], numbers["syn"], numbers["data"], numbers["rst"] + numbers["fin"], packets)


def _marked(lab: Lab, nginx: Nginx) -> Seen:
    mark, packets = nginx.mark(), received(lab)
    return Seen(time.monotonic(), mark.accepted, mark.requests, mark.accepted - mark.open, packets)


def _record(run: Held) -> dict[str, Any]:
    return {"figures": {name.strip(): value for name, value in run.figures().items()}, "result": run.report}


def _table(options: argparse.Namespace, runs: dict[int, list[Held]]) -> str:
    header = [f"{options.server}, {options.transmit}, {options.runs} runs: median (min to max)"]
    header += [f"{users:,} users" for users in runs]
    figures = {users: [run.figures() for run in those] for users, those in runs.items()}
    names = list(next(iter(figures.values()))[0])
    rows = []
    for name in names:
        digits = 2 if any(word in name for word in _DECIMALS) and not name.startswith("users") else 0
        rows.append([name, *(measure.figure([run[name] for run in those], digits) for those in figures.values())])
    return measure.table(header, rows)


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
