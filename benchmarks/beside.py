"""gryphon and tcpburn against the packet-level sink in the same run: `python -m benchmarks.beside`.

The sink answers out of XDP on the server's interface. gryphon takes the answers by XDP on the sender (local topology),
tcpburn's intercept by pcap there; for pcap an XDP program at the sender's interface passes them all, without which veth
does not deliver what the other end sends out of XDP. On veth sink and reception run in the sender's own system calls,
for both alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measure, nginx, peers, replay, sink
from benchmarks.load import Load
from benchmarks.sinking import passing, sinking
from gryphon.controller.errors import Fault, InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until

Figures = dict[str, float]
Counts = Callable[[], dict[str, float]]
ROWS = {
    "client packets/s": 0,
    "client packets/s of a core": 0,
    "CPU us per client packet, sender + intercept": 2,
    "  without the start of the programs": 2,
    "sessions/s": 0,
    "client packets": 0,
    "users completed": 0,
    "cores that anybody else was using": 2,
}
BETTER = ("client packets/s", "client packets/s of a core", "  without the start of the programs", "sessions/s")
_POLL = 0.1
_QUIET = 3.0


@dataclass
class Case:
    """A tool at one setting, and its runs."""

    name: str
    once: Callable[[Lab, Load, Counts], Figures]
    rate: int
    small: Figures = field(default_factory=dict)
    runs: list[Figures] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when gryphon completed every user, 1 when not, 2 and 3 as gryphon itself."""
    options = _options(arguments)
    print(measure.environment_line(), flush=True)
    try:
        cases = _cases(options)
        with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
            capture = Path(directory) / "sessions.pcap"
            nginx.record_sessions(capture)
            _run_all(cases, options, capture)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    _show(cases, options)
    if options.json:
        report = {"environment": measure.environment(), "users": options.users}
        runs = {case.name: {"small": case.small, "runs": case.runs} for case in cases}
        options.json.write_text(json.dumps(report | {"cases": runs}, indent=2) + "\n")
    ours = [run for case in cases if case.name.startswith("gryphon") for run in case.runs]
    return 0 if all(run["users completed"] == options.users for run in ours) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--rate", type=int, default=200_000, help="new sessions/s of gryphon (default 200,000)")
    parser.add_argument("--transmit", default="raw,xdp", help="of gryphon; each is a column (raw,xdp)")
    parser.add_argument("--peer-settings", type=peers.settings, default=[peers.BEST], help="-A:-i of tcpburn")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--options", default="", help="further options for gryphon send")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args(arguments)


def _cases(options: argparse.Namespace) -> list[Case]:
    cases = [_ours(name, options) for name in options.transmit.split(",")]
    programs = peers.binaries()
    if programs is None:
        print("GRYPHON_PEER_TCPBURN and GRYPHON_PEER_INTERCEPT are not set: no comparison with tcpburn.")
        return cases
    return cases + [_theirs(programs, setting) for setting in options.peer_settings]


def _ours(transmit: str, options: argparse.Namespace) -> Case:
    further = replay.transmitting(transmit) + options.options.split()

    def once(lab: Lab, load: Load, ask: Counts) -> Figures:
        with replay.intercepting(lab, replay.named("local")) as ready:
            busy, begun = measure.busy_seconds(), time.monotonic()
            sender = replay.send(lab, load, ready, further)
            until("gryphon to finish", lambda: measure.has_ended(sender), seconds=load.patience)
            cpu, passed = measure.cpu_seconds(sender.pid), time.monotonic() - begun
            others = (measure.busy_seconds() - busy - cpu) / passed
            report = replay.result(lab, sender)
        users = report["users"]["completed"]
        return _figures(report["packets"]["sent"], report["duration_s"], cpu, users, max(0.0, others))

    return Case(f"gryphon {transmit}", once, options.rate)


def _theirs(programs: peers.Binaries, setting: peers.Setting) -> Case:
    def once(lab: Lab, load: Load, ask: Counts) -> Figures:
        with passing(lab), peers.intercepting(lab, programs) as intercept:
            before, busy, begun = measure.cpu_seconds(intercept.pid), measure.busy_seconds(), time.monotonic()
            with peers.sending(lab, load, programs, setting) as sender:
                seen = _follow(sender, load, ask)
                cpu = measure.cpu_seconds(sender.pid) + measure.cpu_seconds(intercept.pid) - before
                others = (measure.busy_seconds() - busy - cpu) / (time.monotonic() - begun)
        passed = seen[-1]["time"] - seen[0]["time"]
        return _figures(_sent(seen[-1]), passed, cpu, min(int(seen[-1]["fin"]), load.users), max(0.0, others))

    return Case(f"tcpburn {setting}", once, min(setting.initial, setting.factor * 1000))


def _follow(sender: subprocess.Popen[bytes], load: Load, ask: Counts) -> list[dict[str, float]]:
    """The sink's counts over time; tcpburn does not end by itself, and retransmits for ever.

    It is over when as many FINs have come as there are users, or for a while no more of them did.
    """
    begun = progress = time.monotonic()
    seen = [ask()]
    while not measure.has_ended(sender) and time.monotonic() - begun < load.patience:
        time.sleep(_POLL)
        now, counts = time.monotonic(), ask()
        if _sent(counts) == 0:
            seen, progress = [counts], now
        else:
            progress = now if counts["fin"] > seen[-1]["fin"] else progress
            seen.append(counts)
        if counts["fin"] >= load.users or now - progress > _QUIET:
            break
    return seen


def _sent(counts: dict[str, float]) -> int:
    return int(sum(counts[kind] for kind in sink.KINDS[:5]))


def _figures(sent: int, passed: float, cpu: float, users: int, others: float) -> Figures:
    return {
        "client packets/s": sent / passed if passed else 0.0,
        "sessions/s": users / passed if passed else 0.0,
        "client packets": sent,
        "users completed": users,
        "cpu_s": cpu,
        "CPU us per client packet, sender + intercept": cpu / max(1, sent) * 1e6,
        "cores that anybody else was using": others,
    }


def _run_all(cases: list[Case], options: argparse.Namespace, capture: Path) -> None:
    """The small run of each case, then all in turn. Of two small runs the cheaper counts: one may have to compile."""
    for case in cases:
        case.small = min((_one(case, nginx.SMALL, capture) for _ in range(2)), key=lambda run: run["cpu_s"])
    for number in range(options.runs):
        for case in cases:
            run = _one(case, options.users, capture)
            more = max(1.0, run["client packets"] - case.small["client packets"])
            beyond = (run["cpu_s"] - case.small["cpu_s"]) / more * 1e6
            run["  without the start of the programs"] = beyond
            run["client packets/s of a core"] = 1e6 / beyond if beyond > 0 else 0.0
            case.runs.append(run)
            said = (
                f"{run['users completed']:,} of {options.users:,} completed, {run['client packets/s']:,.0f} packets/s"
            )
            print(f"run {number + 1} of {options.runs}, {case.name}: {said}, {beyond:.2f} us a packet", flush=True)


def _one(case: Case, users: int, capture: Path) -> Figures:
    load = Load(users, case.rate, nginx.REQUESTS, capture, patience=90 + 4 * users / case.rate)
    with Lab() as lab, sinking(lab, counted=True) as ask:
        return case.once(lab, load, ask)


def _show(cases: list[Case], options: argparse.Namespace) -> None:
    header = [f"{options.users:,} users, {options.runs} runs: median (min to max)", *(case.name for case in cases)]
    rows = [
        [name, *(measure.figure([run[name] for run in case.runs], digits) for case in cases)]
        for name, digits in ROWS.items()
    ]
    print(measure.table(header, rows))
    theirs = [case for case in cases if case.name.startswith("tcpburn")]
    if not theirs:
        return
    best = max(theirs, key=_worth)
    ours = [case for case in cases if case.name.startswith("gryphon")]
    header = [f"times better than {best.name}", *(case.name for case in ours)]
    print("\n" + measure.table(header, [[row, *(_times(case, best, row) for case in ours)] for row in BETTER]))


def _worth(case: Case) -> tuple[float, float]:
    """Best is who completed the most users, and of those who sent most packets a second."""
    spread = measure.spread([run["client packets/s"] for run in case.runs])
    return min(run["users completed"] for run in case.runs), spread.median


def _times(ours: Case, theirs: Case, row: str) -> str:
    pairs = [(mine[row], peer[row]) for mine, peer in zip(ours.runs, theirs.runs, strict=True)]
    less = row.startswith(" ")  # costs
    return measure.figure([(peer / mine if less else mine / peer) if mine and peer else 0.0 for mine, peer in pairs], 1)


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
