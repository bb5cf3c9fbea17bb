"""gryphon against real nginx in the lab, and tcpburn beside it in the same run: `python -m benchmarks.nginx`.

Five real curl sessions of three keep-alive requests each are recorded once; then every tool replays them as so many
users, each run in a lab of its own. The server's side counts: a session is complete when nginx has served its three
requests.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import gro, measure, peers, replay
from benchmarks.load import Load, Outcome
from gryphon.controller.errors import Fault, InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Visit, record
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import Topology

REQUESTS = 3
SESSIONS = 5
SMALL = 1_000
"""Users of the small run that memory per user and CPU beyond the start are measured against."""


@dataclass
class Case:
    """One tool at one setting, and its runs."""

    name: str
    replay: Callable[[Lab, Nginx, Load], Outcome]
    rate: int
    small: Outcome | None = None
    runs: list[Outcome] = field(default_factory=list)

    def values(self, of: Callable[[Outcome], float]) -> list[float]:
        return [of(run) for run in self.runs]

    @property
    def baseline(self) -> Outcome:
        assert self.small is not None
        return self.small


@dataclass(frozen=True)
class Figure:
    """One row of the table; a ratio is gryphon's value over the peer's, or the other way where less is better."""

    name: str
    of: Callable[[Case, Outcome], float]
    digits: int = 0
    less_is_better: bool = False


FIGURES = (
    Figure("sessions/s completed", lambda _, run: run.sessions_per_second),
    Figure("CPU us per client packet, sender + intercept", lambda _, run: run.microseconds, 2, True),
    Figure("  without the start of the programs", lambda case, run: run.beyond(case.baseline), 2, True),
    Figure("  sender alone", lambda _, run: run.sender_cpu / max(1, run.client_packets) * 1e6, 2, True),
    Figure("  intercept alone", lambda _, run: run.intercept_cpu / max(1, run.client_packets) * 1e6, 2, True),
    Figure("CPU us per session, sender + intercept", lambda _, run: run.per_session, 1, True),
    Figure("CPU us per session of nginx itself", lambda _, run: run.server_cpu / max(1, run.completed) * 1e6, 1),
    Figure("bytes of memory per user", lambda case, run: run.bytes_per_user(case.baseline), 0, True),
    Figure("client packets", lambda _, run: run.client_packets),
    Figure("users completed", lambda _, run: run.completed),
    Figure("users failed", lambda _, run: run.failed),
    Figure("requests that nginx served", lambda _, run: run.requests),
    Figure("connections that nginx accepted", lambda _, run: run.connections),
    Figure("cores that anybody else was using", lambda _, run: run.busy, 2),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when gryphon completed every user in every run, 1 when not, 2 and 3 as gryphon itself."""
    options = _options(arguments)
    line = measure.environment_line()
    print(line, flush=True)
    try:
        cases = _cases(options)
        with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
            capture = Path(directory) / "sessions.pcap"
            record_sessions(capture)
            _run_all(cases, options, capture)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    report = _report(cases, options)
    print(_tables(cases, options))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    ours = [case for case in cases if case.name.startswith("gryphon")]
    return 0 if all(run.failed == 0 for case in ours for run in case.runs) else 1


def record_sessions(capture: Path, path: str = "/") -> None:
    """Has curl make the sessions and tcpdump write them down, in a lab of their own."""
    with Lab() as lab, Nginx(lab) as nginx:
        record(lab, nginx, capture, visits=[Visit("keep-alive", (path,) * REQUESTS)] * SESSIONS)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nginx", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rate", type=_numbers, default=[10_000], help="new sessions/s; several: 10000,16000")
    parser.add_argument("--topology", default="target", help="several by comma: target,assistant,local")
    parser.add_argument("--transmit", default="raw", help="of gryphon; several by comma: raw,link,xdp")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--peer-settings", type=peers.settings, default=[peers.BEST], help="-A:-i of tcpburn (10:10000,...)"
    )
    parser.add_argument("--options", default="", help="further options for gryphon send")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _cases(options: argparse.Namespace) -> list[Case]:
    cases = []
    for name in options.topology.split(","):
        topology = replay.named(name)
        for transmit in options.transmit.split(","):
            further = replay.transmitting(transmit) + options.options.split()
            cases += [_ours(topology, rate, transmit, further) for rate in options.rate]
    programs = peers.binaries()
    if programs is None:
        print("GRYPHON_PEER_TCPBURN and GRYPHON_PEER_INTERCEPT are not set: no comparison with tcpburn.")
        return cases
    return cases + [_theirs(programs, setting) for setting in options.peer_settings]


def _ours(topology: Topology, rate: int, transmit: str, further: list[str]) -> Case:
    def once(lab: Lab, nginx: Nginx, load: Load) -> Outcome:
        if transmit == "xdp":
            lab.run("server", [sys.executable, gro.__file__, "eth0"])
        return replay.run(lab, nginx, load, topology, further)

    return Case(f"gryphon {topology.name} {transmit} {rate:,}/s", once, rate)


def _theirs(programs: peers.Binaries, setting: peers.Setting) -> Case:
    def once(lab: Lab, nginx: Nginx, load: Load) -> Outcome:
        return peers.run(lab, nginx, load, programs, setting)

    return Case(f"tcpburn {setting}", once, min(setting.initial, setting.factor * 1000))


def _run_all(cases: list[Case], options: argparse.Namespace, capture: Path) -> None:
    """The small run of each case, then all cases in turn, so that a busy moment of the machine hits all alike.

    Of two small runs the cheaper counts: one may have to compile, which takes both time and memory.
    """
    for case in cases:
        case.small = min((_one(case, SMALL, capture) for _ in range(2)), key=lambda run: run.cpu)
    for number in range(options.runs):
        for case in cases:
            outcome = _one(case, options.users, capture)
            case.runs.append(outcome)
            print(f"run {number + 1} of {options.runs}, {case.name}: {outcome.line()}", flush=True)


def _one(case: Case, users: int, capture: Path) -> Outcome:
    load = Load(users, case.rate, REQUESTS, capture, patience=30 + 4 * users / case.rate)
    with Lab() as lab, Nginx(lab, counted=False, connections=min(users, _most_connections())) as nginx:
        return case.replay(lab, nginx, load)


def _most_connections(workers: int = 2) -> int:
    """As many as nginx may hold: an open load piles up when the server falls behind, and nginx then cuts the rest."""
    return workers * (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200)


def best_peer(cases: Sequence[Case]) -> Case | None:
    """The peer with the most sessions a second of those that completed every user; failing that, the most completed."""
    theirs = [case for case in cases if case.name.startswith("tcpburn")]
    return max(
        theirs,
        key=lambda case: (
            min(case.values(lambda run: run.completed)),
            measure.spread(case.values(lambda run: run.sessions_per_second)).median,
        ),
        default=None,
    )


def ratios(ours: Case, theirs: Case, figure: Figure) -> list[float]:
    """How many times better gryphon was, run by run."""
    pairs = []
    for one, other in zip(ours.runs, theirs.runs, strict=True):
        mine, peer = figure.of(ours, one), figure.of(theirs, other)
        above, below = (peer, mine) if figure.less_is_better else (mine, peer)
        pairs.append(above / below if below else 0.0)
    return pairs


def _tables(cases: list[Case], options: argparse.Namespace) -> str:
    header = [f"{options.users:,} users, {options.runs} runs: median (min to max)", *(case.name for case in cases)]
    rows = [
        [row.name, *(measure.figure([row.of(case, run) for run in case.runs], row.digits) for case in cases)]
        for row in FIGURES
    ]
    text = measure.table(header, rows)
    peer = best_peer(cases)
    if peer is None:
        return text
    ours = [case for case in cases if case.name.startswith("gryphon")]
    compared = [row for row in FIGURES if row.less_is_better or row is FIGURES[0]]
    header = [f"times better than {peer.name}", *(case.name for case in ours)]
    return f"{text}\n\n" + measure.table(
        header, [[row.name, *(measure.figure(ratios(case, peer, row), 2) for case in ours)] for row in compared]
    )


def _report(cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    peer = best_peer(cases)
    return {
        "environment": measure.environment(),
        "users": options.users,
        "cases": [
            {
                "name": case.name,
                "figures": {
                    row.name.strip(): measure.spread([row.of(case, run) for run in case.runs])._asdict()
                    for row in FIGURES
                },
                "small_run": case.baseline.as_dict(),
                "runs": [run.as_dict() for run in case.runs],
                "times_better": {
                    row.name.strip(): measure.spread(ratios(case, peer, row))._asdict()
                    for row in FIGURES
                    if row.less_is_better or row is FIGURES[0]
                }
                if peer is not None and case is not peer and case.name.startswith("gryphon")
                else None,
            }
            for case in cases
        ],
    }


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
