"""Do gryphon's latencies agree with what curl measures against the same nginx? `python -m benchmarks.latency`.

At a low rate, over the same links: curl asks for a page, each time on a new connection; then gryphon replays sessions
that were recorded of just that. What must agree: time to connect, to the first byte of the answer, and to its last.
Beside either stand the times of its packets, from tcpdump on the server's interface: what curl has beyond them is its
own way through sockets and scheduler; what gryphon has beyond them, from its clock to the wire, should be little.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dpkt

from benchmarks import measure, replay
from benchmarks.load import Load
from gryphon.controller.errors import Fault, InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.recording import Visit, record, url
from gryphon.lab.servers import PAGES, PORT, Nginx
from gryphon.lab.tap import Tap
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.waiting import until

KINDS = ("connect", "first_byte", "response")
QUANTILES = ("p50", "p90", "p99")
_TIMES = "%{time_namelookup} %{time_connect} %{time_starttransfer} %{time_total}\\n"


class Latencies(NamedTuple):
    """One tool's latencies, in microseconds: kind and quantile."""

    name: str
    values: dict[str, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--rate", type=int, default=100, help="sessions a second, of curl as of gryphon")
    parser.add_argument("--page", default="index.html,photo.jpg", help=f"several by comma, of {', '.join(PAGES)}")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    report: dict[str, Any] = {"environment": measure.environment(), "pages": {}}
    try:
        for page in options.page.split(","):
            if page not in PAGES:
                raise InputFault(f"{page!r} is no page of the lab: use {', '.join(PAGES)}.")
            found = _compare(page, options.users, options.rate)
            print(f"\n{page}, {PAGES[page]:,} bytes, {options.users} sessions at {options.rate}/s; microseconds")
            print(_table(found))
            report["pages"][page] = {one.name: one.values for one in found}
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _compare(page: str, users: int, rate: int) -> list[Latencies]:
    """curl first, then gryphon in each topology, all in one lab with one nginx."""
    with Lab() as lab, Nginx(lab) as nginx, tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
        capture = Path(directory) / "sessions.pcap"
        record(lab, nginx, capture, visits=[Visit("page", (f"/{page}",))] * 5)
        load = Load(users, rate, 1, capture, patience=60 + 4 * users / rate)
        with _tapped(lab, directory, "curl") as tap:
            found = [_curl(lab, page, users, rate)]
            found.append(until("the last packet of curl", lambda: _wire("its packets", tap, users)))
        for topology in TOPOLOGIES:
            with _tapped(lab, directory, topology.name) as tap:
                found.append(_gryphon(lab, load, topology))
                if (
                    topology.name == "local"
                ):  # elsewhere the answers do not come by this interface, or are dropped first
                    found.append(until("the last packet", lambda: _wire("its packets", tap, users)))
        return found


def _tapped(lab: Lab, directory: str, name: str) -> Tap:
    return Tap(lab, "server", "eth0", Path(directory) / f"{name}-wire.pcap", f"tcp port {PORT}")


def _curl(lab: Lab, page: str, users: int, rate: int) -> Latencies:
    """Each request asks for the end of its connection, so the next one has to connect.

    The request counts from `time_connect`: curl often takes the later `time_pretransfer` after the answer has come.
    """
    line = [tool("curl"), "-sS", "--rate", f"{rate}/s", "-H", "Connection: close", "-w", _TIMES]
    target = f"{url(4, '/' + page)}?[1-{users}]"
    said = lab.run("sender", [*line, "-o", "/dev/null", target], timeout=60 + 4 * users / rate)
    rows = [[float(number) * 1e6 for number in row.split()] for row in said.stdout.splitlines()]
    samples = {
        "connect": [connected - looked_up for looked_up, connected, _, _ in rows],
        "first_byte": [first - connected for _, connected, first, _ in rows],
        "response": [total - connected for _, connected, _, total in rows],
    }
    return Latencies("curl", {kind: _quantiles(values) for kind, values in samples.items()})


def _wire(name: str, tap: Tap, users: int) -> Latencies | None:
    """The same from the packets; None as long as not all of them are in the file."""
    sessions: dict[tuple[bytes, int], dict[str, float]] = {}
    ended = 0
    for time, frame in tap.packets():
        ip = dpkt.ethernet.Ethernet(frame).data
        tcp = ip.data
        if tcp.dport == PORT:
            session = sessions.setdefault((ip.src, tcp.sport), {})
            session.setdefault("asked" if len(tcp.data) else "began", time)
        else:
            session = sessions.setdefault((ip.dst, tcp.dport), {})
            if len(tcp.data):
                session.setdefault("first", time)
                session["last"] = time
            session.setdefault("accepted", time)
            ended += bool(tcp.flags & dpkt.tcp.TH_FIN)
    if ended < users:
        return None
    steps = {"connect": ("began", "accepted"), "first_byte": ("asked", "first"), "response": ("asked", "last")}
    return Latencies(
        name,
        {
            kind: _quantiles([(session[end] - session[start]) * 1e6 for session in sessions.values()])
            for kind, (start, end) in steps.items()
        },
    )


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98]}


def _gryphon(lab: Lab, load: Load, topology: Topology) -> Latencies:
    """From the moment a packet was sent (`service`), as curl has it, not from the moment it should have been."""
    with replay.intercepting(lab, topology) as ready:
        sender = replay.send(lab, load, ready)
        sender.wait(load.patience)
        report = replay.result(lab, sender)
    service = {kind: report["latency_ms"][kind]["service"] for kind in KINDS}
    values = {kind: {name: service[kind][name] * 1000 for name in QUANTILES} for kind in KINDS}
    return Latencies(f"gryphon {topology.name}", values)


def _table(found: list[Latencies]) -> str:
    """curl's figures, and the others' with the difference to curl's."""
    reference = found[0].values
    rows = []
    for kind in KINDS:
        for quantile in QUANTILES:
            base = reference[kind][quantile]
            cells = [
                f"{one.values[kind][quantile]:,.0f} ({one.values[kind][quantile] - base:+,.0f})" for one in found[1:]
            ]
            rows.append([f"{kind} {quantile}", f"{base:,.0f}", *cells])
    return measure.table(["", *(one.name for one in found)], rows)


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
