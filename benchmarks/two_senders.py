"""``python -m benchmarks.two_senders``: two senders with separate ranges on one intercept; one stops to read.

One is `gryphon send` against nginx. The other holds a grant for another range, to which the server sends as fast as one
process can: it is absent, reads what comes, or is stopped (SIGSTOP), so that its outbox at the intercept fills up and
overflows. What the first one sees of that: users, latencies, the channel's delay, records lost.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks import measure, replay
from benchmarks.replay import Intercepting
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording, record
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

USERS, RATE = 800, 100
"""Eight seconds of new users: the intercept ends the grant of one that is silent for ten."""
VARIANTS = ("alone", "reading", "stopped")

_OTHER = """
import select, sys
from ipaddress import ip_address, ip_network
from gryphon.controller.client import Channel
from gryphon.controller.errors import GrantLost
services = [(ip_address(sys.argv[1]), 80)]
channel = Channel.connect(sys.argv[2], 36524, sys.argv[3], services=services, ranges=[ip_network("10.17.200.0/24")])
print("granted", flush=True)
try:
    while True:
        select.select([channel], [], [], 0.05)
        channel.read()
except GrantLost:
    pass
"""
_STORM = """
import socket, struct, sys
tcp = struct.pack("!HHIIBBHHH", 80, 40000, 1, 1, 5 << 4, 0x10, 1000, 0, 0)
ends = socket.inet_aton(sys.argv[1]) + socket.inet_aton("10.17.200.7")
packet = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends + tcp
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
while True:
    sock.sendto(packet, ("10.17.200.7", 0))
"""


@contextlib.contextmanager
def other(lab: Lab, ready: Intercepting, variant: str) -> Iterator[None]:
    """The other sender and the answers to it."""
    if variant == "alone":
        yield
        return
    output = lab.directory / "other.output"
    words = [SERVER_V4, ready.topology.intercept, ready.environment["GRYPHON_TOKEN"]]
    with output.open("wb") as file:
        child = lab.popen("sender", [sys.executable, "-c", _OTHER, *words], stdout=file, stderr=file)
    until("the other sender's grant", lambda: "granted" in output.read_text() or child.poll() is not None)
    storm = lab.popen("server", [sys.executable, "-c", _STORM, SERVER_V4])
    try:
        if variant == "stopped":
            child.send_signal(signal.SIGSTOP)
        yield
    finally:
        child.send_signal(signal.SIGCONT)
        lab.end(storm)
        lab.end(child)


def run(lab: Lab, recording: Recording, variant: str) -> dict[str, Any]:
    """The first sender's result beside the other one."""
    with replay.intercepting(lab, replay.named("target")) as ready, other(lab, ready, variant):
        line = ["-u", str(USERS), "-i", str(RATE), "--quiet"]
        sender = replay.start(lab, ready, recording.path, PORT, line)
        with contextlib.suppress(subprocess.TimeoutExpired):
            sender.wait(timeout=120)
        result = replay.result(lab, sender)
    found = re.findall(r"([\d,]+) records lost to slow reading", (lab.directory / "intercept.log").read_text())
    return {**result, "others": found[-1] if found and variant == "stopped" else "0"}


def row(variant: str, result: dict[str, Any]) -> list[str]:
    """Its figures, and how many records the other one lost at the intercept."""
    response = result["latency_ms"]["response"]["service"]
    return [
        variant,
        f"{result['users']['completed']:,} of {result['users']['started']:,}",
        f"{response['p50']:.2f}",
        f"{response['p99']:.2f}",
        f"{result['channel']['delay_p99_us'] / 1000:.2f}",
        f"{result['packets']['ring_lost']:,}",
        f"{result['pacing']['late_p99_us'] / 1000:.2f}",
        result["others"],
    ]


def main() -> int:
    """All three, in turn."""
    print(measure.environment_line(), flush=True)
    rows = []
    with Lab() as lab, Nginx(lab, counted=False) as nginx:
        recording = record(lab, nginx, lab.directory / "recorded.pcap")
        for variant in VARIANTS:
            rows.append(row(variant, run(lab, recording, variant)))
    header = (
        "the other sender",
        "completed",
        "p50 ms",
        "p99 ms",
        "delay p99 ms",
        "lost",
        "late p99 ms",
        "lost of the other",
    )
    print(measure.table(header, rows))
    return 0


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
