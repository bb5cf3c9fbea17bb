"""Recordings of the lab made in several ways at once, and what the reader finds in them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.recording import VISITS, Visit
from gryphon.lab.servers import PORT
from gryphon.lab.tap import Tap
from gryphon.lab.waiting import until
from gryphon.lab.wiring import HostName
from gryphon.sender.capture.load import examine
from gryphon.sender.capture.recording import DEFAULT, End, Recording, Rules
from gryphon.sender.options import parse_files

TERSE = Visit("terse", ("/photo.jpg",), ("--http1.0", "-A", "", "-H", "Host:", "-H", "Accept:"))
"""Its request fits into the 96 bytes of a packet that a short snap length leaves, with all headers."""

LONGER = (*VISITS, TERSE)

FIN_V4, FIN_V6 = "tcp[tcpflags] & tcp-fin != 0", "ip6[53] & 1 != 0"
FIN_IN_VXLAN = "udp[63] & 1 != 0"  # behind the headers of UDP, VXLAN, Ethernet and IPv4


class Way(NamedTuple):
    """One tcpdump: what it is called, where it listens, and its options."""

    name: str
    options: tuple[str, ...] = ()
    interface: str = "eth0"
    host: HostName = "server"
    expression: str = f"tcp port {PORT}"
    fin: str = FIN_V4
    """What finds the packets with a FIN in its file."""

    def file(self, lab: Lab) -> Path:
        return lab.directory / f"{self.name}.pcap"


class Session(NamedTuple):
    """What of a session is the same however it was captured."""

    client_port: int
    stream: bytes
    messages: list[tuple[int, int, int]]
    """Of each and of the end: where it ends in the stream, the bytes that it waits for, those that nobody waits for."""
    end: str


def capture(lab: Lab, ways: Sequence[Way], drive: Callable[[], None], connections: int) -> None:
    """Do what `drive` does with a tcpdump for each way; every FIN of so many connections is in each file."""
    with contextlib.ExitStack() as stack:
        for way in ways:
            tap = Tap(lab, way.host, way.interface, way.file(lab), way.expression, way.options, roomy=True)
            stack.enter_context(tap)
        drive()
        for way in ways:
            until(f"the last FIN in {way.name}", partial(_whole, lab, way, connections), seconds=20)


def _whole(lab: Lab, way: Way, connections: int) -> bool:
    """Whether both ends of so many connections have closed, as tcpdump reads the whole packets of its files."""
    count = 0
    for path in parse_files(f"{way.file(lab)}*"):
        line = [tool("tcpdump"), "-nn", "-q", "-r", path, way.fin]
        count += subprocess.run(line, capture_output=True, check=False).stdout.count(b"\n")
    return count >= 2 * connections


def read(*files: Path | str, port: int = PORT, rules: Rules = DEFAULT) -> Recording:
    """The recording of the files or patterns, as the commands read them."""
    return examine([name for file in files for name in parse_files(str(file))], [port], rules).recording


def sessions(recording: Recording) -> list[Session]:
    """Every replayable session, in the order in which they began."""
    return [_session(recording, row) for row in range(len(recording.sessions))]


def _session(recording: Recording, row: int) -> Session:
    found = recording.sessions[row]
    first, at = int(found["first_message"]), int(found["payload"])
    entries = recording.messages[first : first + int(found["messages"]) + 1]
    return Session(
        int(found["client_port"]),
        recording.payload[at : at + int(found["length"])].tobytes(),
        [(int(entry["stream_end"]), int(entry["expect"]), int(entry["pushed"])) for entry in entries],
        End(int(found["end"])).name,
    )


def without_ports(found: Iterable[Session]) -> list[Session]:
    """For two runs of the same visits, whose ports differ, and the pauses within an upload on a busy machine."""
    return [session._replace(client_port=0, messages=_joined(session.messages)) for session in found]


def _joined(messages: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Messages one after the other, none of which waits for anything, as one."""
    joined: list[tuple[int, int, int]] = []
    for message in messages:
        if joined and joined[-1][1:] == message[1:] == (0, 0):
            joined.pop()
        joined.append(message)
    return joined


def rejected(recording: Recording) -> dict[str, int]:
    """The reasons that there were."""
    return {reason: count for reason, count in recording.rejected.items() if count}


def installed(name: str, package: str) -> str:
    """The path of a tool that only tests need."""
    try:
        return tool(name)
    except EnvironmentFault:
        lacking(f"{name} is not installed: apt-get install {package}")


def lacking(what: str) -> NoReturn:
    """Skip, saying what is missing; on a CI machine that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
