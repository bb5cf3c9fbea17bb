"""10,000 mosquitto subscribers are told what a real client publishes: `python -m benchmarks.push`.

A few real mosquitto_sub are recorded up to their SUBACK. 10,000 users replay them and stay (`--hold`); once the broker
counts all of them, a real mosquitto_pub publishes. Every message must arrive at every user and be acknowledged.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import measure, replay
from gryphon.controller.errors import EnvironmentFault, Fault, InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import recorded
from gryphon.lab.servers.daemon import system_python
from gryphon.lab.servers.mosquitto import PORT, Counters, Mosquitto, publish, subscribe
from gryphon.lab.waiting import until

SESSIONS = 5
TOPIC = "news"
QUIET = 15.0
"""Seconds that users stay beyond the last message; a machine that is slow has them to catch up."""

# Each line has the time in microseconds at which it goes to mosquitto_pub -l. All of them have the same length.
_FEEDER = """
import json, subprocess, sys, time
with subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE) as publisher:
    for number in range(int(sys.argv[1])):
        line = json.dumps({"ts": time.time_ns() // 1000, "number": f"{number:06}"}, separators=(",", ":"))
        publisher.stdin.write(line.encode() + b"\\n")
        publisher.stdin.flush()
        time.sleep(float(sys.argv[2]))
"""
_TEXT = len('{"ts":1700000000000000,"number":"000000"}')
_PUSH = 4 + len(TOPIC) + _TEXT
"""Bytes of a publish at QoS 0 (MQTT 3.1.1, 3.3); its remaining length fits into one byte."""
_CONFIRMED = 4 + 5
"""Bytes of CONNACK and SUBACK (3.2, 3.9)."""
_SAMPLE = 256
"""Bytes of each segment that are looked at for times: a broker that is behind puts several messages into one."""
_RULES = f"""\
[[stamp]]
service = {PORT}
after = '"ts":'
unit = "us"
within = {_SAMPLE}
"""
_OWN_ID = rf"{PORT}/1:user(\d+)=user"


class Outcome(NamedTuple):
    """What one run showed."""

    users: int
    messages: int
    completed: int
    subscribed: int
    """Subscriptions that the broker counted before the first message."""
    published: int
    """Messages that the broker received."""
    sent: int
    """Messages that the broker sent."""
    pushed: int
    """Bursts that gryphon counted."""
    received: int
    """Bytes that gryphon received."""
    unacknowledged: int
    """Bytes that the server's sockets still held once the last message had arrived."""
    segments: int
    """TCP segments that the server sent meanwhile: the messages, and in the target topology the intercept's records."""
    retransmitted: int
    """Segments that it sent again, not among those."""
    arrival_ms: dict[str, float] | None
    """Latency from publish to arrival, by quantile; None when no time was read."""
    timed: int
    """Messages whose time was read."""

    @property
    def expected(self) -> int:
        return self.users * self.messages

    @property
    def whole(self) -> bool:
        """Whether every message arrived at every user and was acknowledged, all by all counts."""
        everybody = self.completed == self.subscribed == self.users and self.published == self.messages
        arrived = self.sent == self.pushed == self.expected
        return everybody and arrived and self.received == self.expected_bytes and self.unacknowledged == 0

    @property
    def expected_bytes(self) -> int:
        return self.users * _CONFIRMED + self.expected * _PUSH


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every message arrived at every user, 1 when not, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.push", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=2000, help="new subscribers a second")
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds from message to message")
    parser.add_argument("--topology", default="target", help="several by comma: target,assistant,local")
    parser.add_argument("--options", default="", help="further options for gryphon send")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    found = {}
    try:
        with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-") as directory:
            capture = Path(directory) / "subscribers.pcap"
            _record(capture)
            capture.with_suffix(".toml").write_text(_RULES)
            for name in options.topology.split(","):
                found[name] = _run(capture, name, options)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    print(_table(found))
    if options.json:
        report = {"environment": measure.environment(), "runs": {name: one._asdict() for name, one in found.items()}}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(one.whole for one in found.values()) else 1


def _record(capture: Path) -> None:
    """Real subscribers, killed once they have subscribed: they say no farewell, which a user would say at once."""
    with Lab() as lab, Mosquitto(lab) as mosquitto:
        before = mosquitto.mark()
        with recorded(lab, capture, PORT, SESSIONS):
            line = subscribe("-t", TOPIC, "-k", "3600")
            subscribers = [lab.popen("sender", [*line, "-i", f"user{number:07}"]) for number in range(SESSIONS)]
            until("the subscribers", lambda: mosquitto.subscribed(before) == SESSIONS)
            for subscriber in subscribers:
                subscriber.kill()


def _run(capture: Path, name: str, options: argparse.Namespace) -> Outcome:
    """One replay with one publisher, in a lab of its own."""
    users, messages = int(options.users), int(options.messages)
    joining, publishing = users / options.rate, messages * options.interval
    hold = 2 * joining + publishing + QUIET + 10
    line = ["-u", str(users), "-i", str(options.rate), "--hold", f"{hold:.0f}", "--field", _OWN_ID]
    line += ["--rules", str(capture.with_suffix(".toml")), *options.options.split()]
    with (
        Lab() as lab,
        Mosquitto(lab, counted=False),
        Counters(lab) as broker,
        replay.intercepting(lab, replay.named(name), _SAMPLE) as ready,
    ):
        sender = replay.start(lab, ready, capture, PORT, line)

        def joined() -> bool:
            if measure.has_ended(sender):
                replay.result(lab, sender)  # which says why, where there is none
                raise EnvironmentFault("gryphon send ended before all users had subscribed.")
            return broker.subscriptions == users

        until("all subscriptions", joined, seconds=60 + 2 * joining)
        subscribed, received, sent, tcp = broker.subscriptions, broker.received, broker.sent, _tcp(lab)
        feeder = [system_python(), "-c", _FEEDER, str(messages), str(options.interval)]
        lab.run("sender", [*feeder, *publish("-t", TOPIC, "-l", "-q", "1")], timeout=60 + 2 * publishing)
        with contextlib.suppress(EnvironmentFault):
            until("the last message", lambda: broker.sent - sent >= users * messages, seconds=QUIET)
            until("its acknowledgements", lambda: _unacknowledged(lab) == 0, seconds=QUIET)
        unacknowledged = _unacknowledged(lab)
        out = {key: now - tcp[key] for key, now in _tcp(lab).items()}
        published, pushed = broker.received - received, broker.sent - sent
        sender.wait(timeout=60 + 2 * hold)
        report = replay.result(lab, sender)
    return Outcome(
        users,
        messages,
        int(report["users"]["completed"]),
        subscribed,
        published,
        pushed,
        int(report["messages"]["pushed"]),
        int(report["bytes"]["received"]),
        unacknowledged,
        out["TcpOutSegs"],
        out["TcpRetransSegs"],
        _arrival(report),
        int(report["latency_ms"]["push"]["count"]),
    )


def _arrival(report: dict[str, Any]) -> dict[str, float] | None:
    """The latency from publish to arrival, by the times in the payload."""
    found = report["latency_ms"]["push"]
    return {key: found[key] for key in ("p50", "p99", "max")} if found["count"] else None


def _tcp(lab: Lab) -> dict[str, int]:
    """The server's own counters of TCP since its start."""
    said = lab.run("server", ["nstat", "-asz", "TcpOutSegs", "TcpRetransSegs"]).stdout
    return {name: int(count) for name, count in re.findall(r"^(Tcp\w+)\s+(\d+)", said, re.M)}


def _unacknowledged(lab: Lab) -> int:
    """Bytes in the send queues of the broker's connections."""
    rows = lab.run("server", ["ss", "-Htn", "state", "established", f"sport = :{PORT}"]).stdout.splitlines()
    return sum(int(row.split()[1]) for row in rows)


def _table(found: dict[str, Outcome]) -> str:
    runs = list(found.values())
    rows: list[tuple[str, Callable[[Outcome], int | str]]] = [
        ("users completed", lambda run: run.completed),
        ("subscriptions that the broker counted", lambda run: run.subscribed),
        ("messages published, by the broker", lambda run: run.published),
        ("to be sent: users x messages", lambda run: run.expected),
        ("sent by the broker", lambda run: run.sent),
        ("pushed, by gryphon", lambda run: run.pushed),
        ("bytes to be received", lambda run: run.expected_bytes),
        ("bytes received, by gryphon", lambda run: run.received),
        ("bytes not acknowledged at the end", lambda run: run.unacknowledged),
        ("segments of the server meanwhile", lambda run: run.segments),
        ("  sent again", lambda run: run.retransmitted),
        ("messages whose time was read", lambda run: run.timed),
        ("publish to arrival, ms: p50, p99, max", _milliseconds),
    ]
    cells = [
        [name, *(value if isinstance(value := of(run), str) else f"{value:,}" for run in runs)] for name, of in rows
    ]
    return measure.table([f"{runs[0].users:,} subscribers, {runs[0].messages} messages", *found], cells)


def _milliseconds(run: Outcome) -> str:
    if run.arrival_ms is None:
        return "-"
    return " ".join(f"{run.arrival_ms[key]:.1f}" for key in ("p50", "p99", "max"))


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
