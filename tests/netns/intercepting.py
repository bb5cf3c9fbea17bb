"""`gryphon-intercept` and senders' channels as processes in the lab's hosts, for the tests of the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab
from gryphon.lab.tap import Tap
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4, HostName

TOKEN = "a token for these tests"
RANGE = "10.17.15.0/24"

_SENDER = """
import select, signal, sys
from ipaddress import ip_address, ip_network
from gryphon.controller.client import Channel
from gryphon.controller.errors import Fault, GrantLost

host, port, token, service, network = sys.argv[1:]
over = []
signal.signal(signal.SIGTERM, lambda *_: over.append(True))
try:
    address, service_port = service.rsplit(":", 1)
    wanted = [(ip_address(address.strip("[]")), int(service_port))]
    channel = Channel.connect(host, int(port), token, services=wanted, ranges=[ip_network(network)])
except Fault as fault:
    print(fault.status, fault, flush=True)
    sys.exit(fault.status)
print("granted", channel.grant.intercept, flush=True)
count = 0
try:
    while not over:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        records = channel.read()
        if len(records):
            count += len(records)
            print("records", count, *records["seq"], flush=True)
except GrantLost as lost:
    print("lost", lost, flush=True)
    sys.exit(3)
channel.close()
"""
_ANSWER = """
import socket, struct, sys

source, target, seq = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in source else socket.AF_INET
tcp = struct.pack("!HHIIBBHHH", 80, 40000, seq, 1, 5 << 4, 0x10, 1000, 0, 0)
ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
if family == socket.AF_INET:
    packet = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends + tcp
    socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW).sendto(packet, (target, 0))
else:
    packet = struct.pack("!IHBB", 6 << 28, 20, 6, 64) + ends + tcp
    sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sock.setsockopt(socket.IPPROTO_IPV6, 36, 1)  # IPV6_HDRINCL
    sock.sendto(packet, (target, 0))
"""


class Process:
    """A process in a host whose output goes to a file."""

    def __init__(
        self, lab: Lab, host: HostName, argv: list[str], output: Path, environment: dict[str, str] | None = None
    ) -> None:
        self._output = output
        with output.open("wb") as file:
            clean = {key: value for key, value in os.environ.items() if key != "GRYPHON_TOKEN"}
            self.child = lab.popen(host, argv, stdout=file, stderr=file, environment=clean | (environment or {}))

    @property
    def said(self) -> str:
        """Everything it has said so far."""
        return self._output.read_text()

    def says(self, text: str, seconds: float = 20.0) -> str:
        """Wait until it has said ``text``; everything it has said by then."""
        until(f"'{text}'", lambda: text in self.said or self.child.poll() is not None, seconds=seconds)
        assert text in self.said, self.said
        return self.said

    def ends(self, seconds: float = 20.0) -> int:
        """Wait for its end; its status."""
        return self.child.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.child.send_signal(number)


class Intercept(Process):
    """A running `gryphon-intercept` on the server or the assistant."""

    def __init__(
        self,
        lab: Lab,
        host: HostName,
        name: str,
        *arguments: str,
        token: str | None = TOKEN,
        before: Sequence[str] = (),
    ) -> None:
        self.ready = lab.directory / f"{name}.ready"
        self.log = lab.directory / f"{name}.log"
        self.ready.unlink(missing_ok=True)  # of one with the same name that was killed
        argv = [*before, script("gryphon-intercept"), *arguments, "--ready-file", str(self.ready), "-l", str(self.log)]
        environment = {"GRYPHON_TOKEN": token} if token is not None else {}
        super().__init__(lab, host, argv, lab.directory / f"{name}.output", environment)

    def is_ready(self) -> dict[str, object]:
        """Wait until it is; what its ready file says."""
        until("the ready file", lambda: self.ready.exists() or self.child.poll() is not None, seconds=30)
        assert self.ready.exists(), self.said
        ready: dict[str, object] = json.loads(self.ready.read_text())
        return ready


@contextmanager
def intercepting(lab: Lab, name: str, *arguments: str, host: HostName = "server") -> Iterator[Intercept]:
    """A ready intercept, and nothing of it afterwards."""
    running = Intercept(lab, host, name, *arguments)
    try:
        running.is_ready()
        yield running
    finally:
        running.child.kill()
        running.child.wait()
        lab.run(host, [script("gryphon-intercept"), "--detach", "eth0"], check=False)


def sender(
    lab: Lab,
    name: str,
    *,
    token: str = TOKEN,
    network: str = RANGE,
    service: str = f"{SERVER_V4}:80",
    host: HostName = "sender",
    to: str = SERVER_V4,
) -> Process:
    """A sender that asks for a grant and prints each batch's count and sequence numbers."""
    argv = [sys.executable, "-c", _SENDER, to, "36524", token, service, network]
    return Process(lab, host, argv, lab.directory / f"{name}.output")


def answer(lab: Lab, seq: int, target: str = "10.17.15.7", source: str = SERVER_V4) -> None:
    """One segment from the server's port 80 to a forged address, as its stack would send it."""
    lab.run("server", [sys.executable, "-c", _ANSWER, source, target, str(seq)])


def passed(lab: Lab, tap: Tap) -> list[bytes]:
    """What the tap on the sender's eth0 has seen, but for a packet that leaves the server last and is waited for."""
    mark = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'last', ('10.16.15.117', 9))"
    lab.run("server", [sys.executable, "-c", mark])

    def last() -> list[bytes] | None:
        seen = [packet for _, packet in tap.packets()]
        return seen[:-1] if seen and seen[-1].endswith(b"last") else None

    return until("the last packet", last)


def attached(lab: Lab, host: HostName = "server") -> str:
    """What iproute2 says of programs at eth0's hooks."""
    link = lab.run(host, ["ip", "link", "show", "eth0"]).stdout
    filters = lab.run(host, ["tc", "filter", "show", "dev", "eth0", "egress"], check=False).stdout
    qdisc = lab.run(host, ["tc", "qdisc", "show", "dev", "eth0"]).stdout
    return " ".join(word for word in ("xdp", "bpf", "clsact") if word in link + filters + qdisc)


def command(lab: Lab, *arguments: str, host: HostName = "server") -> subprocess.CompletedProcess[str]:
    """Run `gryphon-intercept` to its end."""
    log = str(lab.directory / "short.log")
    return lab.run(host, [script("gryphon-intercept"), "-l", log, *arguments], check=False)
