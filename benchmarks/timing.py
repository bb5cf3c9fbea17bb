"""Do one-way messages arrive as far apart as they were recorded? `python -m benchmarks.timing`.

mosquitto_pub publishes three times at QoS 0, two seconds apart, which nobody answers; that is recorded once. Then
1,000 users replay it at once, at each speed in a lab of its own, and tcpdump on the server's interface writes down when
their publishes arrive.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import dpkt

from benchmarks import measure, replay
from gryphon.controller.errors import EnvironmentFault, Fault, InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import recorded
from gryphon.lab.servers.daemon import system_python
from gryphon.lab.servers.mosquitto import PORT, Mosquitto, publish
from gryphon.lab.tap import Tap
from gryphon.lab.waiting import until

PUBLISHES = 3
GAP = 2.0
"""Seconds between two publishes of the recorded session."""
TOLERANCE = 0.005
"""Seconds by which a spacing may be off."""

_PUBLISH = 0x30
"""First byte of a publish at QoS 0 (MQTT 3.1.1, 2.2)."""

# Lines at exact distances, into mosquitto_pub -l.
_FEEDER = """
import subprocess, sys, time
count, gap = int(sys.argv[1]), float(sys.argv[2])
with subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE) as publisher:
    time.sleep(0.5)
    start = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + number * gap - time.monotonic()))
        publisher.stdin.write(b"publish %d\\n" % number)
        publisher.stdin.flush()
"""


class Spacings(NamedTuple):
    """What one speed showed."""

    speed: float
    recorded: list[float]
    """Seconds between the recorded publishes."""
    users: int
    completed: int
    arrived: list[list[float]]
    """Of each user the seconds between its publishes at the server's interface."""
    late_p99_us: float
    """What gryphon says of itself."""

    def errors(self, gaps: Sequence[float]) -> list[float]:
        """Milliseconds by which each spacing differs from what it should be, `gaps` by the speed."""
        pairs = ((user, gap) for spacings in self.arrived for user, gap in zip(spacings, gaps, strict=True))
        return [(spacing - gap / self.speed) * 1e3 for spacing, gap in pairs]

    @property
    def exact(self) -> bool:
        """Whether every user completed and each of its spacings is within the tolerance."""
        every = len(self.arrived) == self.completed == self.users
        return every and within(self.errors(self.recorded)) == 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every spacing was within 5 ms, 1 when not, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=1000, help="new sessions a second")
    parser.add_argument("--speed", default="1,4", help="several by comma: values of -a")
    parser.add_argument("--topology", default="target")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
            capture = Path(directory) / "spaced.pcap"
            gaps = _record(capture)
            found = [_run(capture, gaps, float(speed), options) for speed in options.speed.split(",")]
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    print(_table(found))
    if options.json:
        report = {"environment": measure.environment(), "speeds": [one._asdict() for one in found]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(one.exact for one in found) else 1


def _record(capture: Path) -> list[float]:
    """Writes the session down, in a lab of its own, and gives back the seconds between its publishes."""
    with Lab() as lab, Mosquitto(lab) as mosquitto:
        before = mosquitto.mark()
        with recorded(lab, capture, PORT, 1):
            line = [system_python(), "-c", _FEEDER, str(PUBLISHES), str(GAP), *publish("-t", "news", "-l")]
            lab.run("sender", line)
        if mosquitto.since(before).packets["received PUBLISH 0"] != PUBLISHES:
            raise EnvironmentFault("mosquitto_pub did not publish as often as it was told.")
    (session,) = _arrivals(dpkt.pcap.Reader(capture.open("rb"))).values()
    return _spacings(session)


def _run(capture: Path, gaps: list[float], speed: float, options: argparse.Namespace) -> Spacings:
    """One replay of all users."""
    with (
        Lab() as lab,
        Mosquitto(lab, counted=False),
        replay.intercepting(lab, replay.named(options.topology)) as ready,
        Tap(lab, "server", "eth0", lab.directory / "wire.pcap", f"tcp dst port {PORT}", roomy=True) as tap,
    ):
        line = ["-u", str(options.users), "-i", str(options.rate), "-a", str(speed)]
        sender = replay.start(lab, ready, capture, PORT, line)
        sender.wait(timeout=120 + options.users / options.rate)
        report = replay.result(lab, sender)
        completed = int(report["users"]["completed"])
        arrived = until("the last publish in the file", lambda: _whole(tap, completed), seconds=30)
    return Spacings(speed, gaps, options.users, completed, arrived, float(report["pacing"]["late_p99_us"]))


def _whole(tap: Tap, users: int) -> list[list[float]] | None:
    """The spacings of each user, once so many users' publishes are all in the file."""
    sessions = [times for times in _arrivals(tap.packets()).values() if len(times) == PUBLISHES]
    if len(sessions) < users:
        return None
    return [_spacings(times) for times in sessions]


def _spacings(times: Sequence[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def _arrivals(packets: Iterator[tuple[float, bytes]]) -> dict[tuple[bytes, int], list[float]]:
    """When each client's publishes arrived, the first copy of each."""
    times: dict[tuple[bytes, int], dict[int, float]] = {}
    for time, frame in packets:
        ip = dpkt.ethernet.Ethernet(frame).data
        tcp = ip.data
        if tcp.dport == PORT and tcp.data and tcp.data[0] == _PUBLISH:
            times.setdefault((ip.src, tcp.sport), {}).setdefault(tcp.seq, time)
    return {client: list(copies.values()) for client, copies in times.items()}


def within(errors: Sequence[float]) -> float:
    """The share of errors, in milliseconds, that are within the tolerance."""
    return sum(abs(error) <= TOLERANCE * 1e3 for error in errors) / len(errors) if errors else 0.0


def _table(found: Sequence[Spacings]) -> str:
    header = ["spacing of the publishes at the server", *(f"-a {one.speed:g}" for one in found)]
    rows = [
        ["users", *(f"{one.users:,}" for one in found)],
        ["users completed", *(f"{one.completed:,}" for one in found)],
        ["spacings seen", *(f"{len(one.errors(one.recorded)):,}" for one in found)],
        ["recorded, s, by the speed", *(_seconds(one) for one in found)],
        ["median, s", *(f"{statistics.median(itertools.chain(*one.arrived)):.4f}" for one in found)],
    ]
    for name, of in (
        ("error, ms: min", min),
        ("  median", statistics.median),
        ("  p99", lambda errors: statistics.quantiles(errors, n=100, method="inclusive")[98]),
        ("  max", max),
    ):
        rows.append([name, *(f"{of(one.errors(one.recorded)):+.3f}" for one in found)])
    rows += [
        ["within 5 ms of the recorded", *(f"{within(one.errors(one.recorded)):.2%}" for one in found)],
        [
            f"within 5 ms of {GAP:g} s by the speed",
            *(f"{within(one.errors([GAP] * (PUBLISHES - 1))):.2%}" for one in found),
        ],
        ["late by gryphon's own measure, p99, ms", *(f"{one.late_p99_us / 1e3:.3f}" for one in found)],
    ]
    return measure.table(header, rows)


def _seconds(one: Spacings) -> str:
    return " ".join(f"{gap / one.speed:.4f}" for gap in one.recorded)


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
