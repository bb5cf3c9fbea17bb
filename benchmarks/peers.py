"""Runs tcpburn and its intercept, where built binaries are named: what gryphon is compared with.

Both run on the sending host, the intercept reading the server's answers from the wire by pcap, as its documentation
has it; the kernel drops those answers, since the host does not forward.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.load import FORGED, Load, Outcome
from benchmarks.progress import Follower
from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.waiting import until
from gryphon.lab.wiring import LINKS, SERVER_V4

_SENDER_V4 = LINKS[0][0].v4
_CHANNEL_PORT = 36524


class Binaries(NamedTuple):
    """Where the two programs are, built with `--single`."""

    tcpburn: str
    intercept: str


class Setting(NamedTuple):
    """tcpburn's `-A` (sessions it begins in a tick of 1 ms) and `-i` (in a second)."""

    factor: int
    initial: int

    def __str__(self) -> str:
        return f"-A {self.factor} -i {self.initial}"


BEST = Setting(10, 10_000)
"""Its best on two cores; at twice that it collapses into retransmissions."""


def settings(text: str) -> list[Setting]:
    """Those of an option: `10:10000,12:12000`."""
    return [Setting(*(int(number) for number in part.split(":"))) for part in text.split(",")]


def binaries() -> Binaries | None:
    """From GRYPHON_PEER_TCPBURN and GRYPHON_PEER_INTERCEPT; None when neither is set.

    Raises:
        InputFault: only one is set, or one is not a program.
    """
    names = ("GRYPHON_PEER_TCPBURN", "GRYPHON_PEER_INTERCEPT")
    paths = [os.environ.get(name, "") for name in names]
    if not any(paths):
        return None
    for name, path in zip(names, paths, strict=True):
        if not os.access(path, os.X_OK) or not Path(path).is_file():
            raise InputFault(f"{name} must name a built program; {path or 'nothing'!r} is none.")
    return Binaries(*paths)


def run(lab: Lab, nginx: Nginx, load: Load, programs: Binaries, setting: Setting) -> Outcome:
    """Replays the load with tcpburn. It does not end by itself: it is over when all is served, or nothing more is."""
    lab.route_forged("sender")
    with intercepting(lab, programs) as intercept:
        follower = Follower(lab, nginx, [intercept.pid])
        with sending(lab, load, programs, setting) as sender:
            seen = follower.follow(sender, load.users * load.requests, load.patience, lambda: nginx.mark().open == 0)
    return Outcome(
        users=load.users,
        completed=seen.requests // load.requests,
        sessions_per_second=seen.rate() / load.requests,
        client_packets=seen.packets,
        sender_cpu=seen.cpu[0],
        intercept_cpu=seen.cpu[1],
        server_cpu=seen.server_cpu,
        peak=seen.peak,
        requests=seen.requests,
        connections=seen.connections,
        busy=seen.busy,
    )


@contextmanager
def sending(lab: Lab, load: Load, programs: Binaries, setting: Setting) -> Iterator[subprocess.Popen[bytes]]:
    """tcpburn at work until the context is left.

    Raises:
        EnvironmentFault: it ended by itself, which it never does when all is well.
    """
    child = _popen(lab, "tcpburn", _line(lab, load, programs, setting))
    try:
        yield child
        ended = child.poll() is not None
    finally:
        _kill(child)
    if ended:
        raise EnvironmentFault(f"tcpburn ended by itself with status {child.returncode}: see its log.")


@contextmanager
def intercepting(lab: Lab, programs: Binaries) -> Iterator[subprocess.Popen[bytes]]:
    """tcpburn's intercept on the sender, ready when entered."""
    child = _intercept(lab, programs)
    try:
        yield child
    finally:
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    child.kill()  # its own end takes seconds and sends resets, which are none of the run
    child.wait()


def _intercept(lab: Lab, programs: Binaries) -> subprocess.Popen[bytes]:
    answers = f"tcp and src port {PORT} and src host {SERVER_V4}"
    child = _popen(lab, "intercept", [programs.intercept, "-i", "eth0", "-F", answers, "-l", _log(lab, "intercept")])
    listening = ["ss", "-Hltn", f"sport = :{_CHANNEL_PORT}"]
    until("tcpburn's intercept to listen", lambda: bool(lab.run("sender", listening).stdout))
    return child


def _line(lab: Lab, load: Load, programs: Binaries, setting: Setting) -> list[str]:
    return [
        programs.tcpburn,
        *("-x", f"{PORT}-{SERVER_V4}:{PORT}"),
        *("-f", str(load.capture)),
        *("-s", _SENDER_V4),
        *("-u", str(load.users)),
        *("-A", str(setting.factor)),
        *("-i", str(setting.initial)),
        *("-c", ",".join(f"{net}.x" for net in FORGED)),
        *("-l", _log(lab, "tcpburn")),
    ]


def _log(lab: Lab, name: str) -> str:
    return str(lab.directory / f"{name}.log")


def _popen(lab: Lab, name: str, line: list[str]) -> subprocess.Popen[bytes]:
    with (lab.directory / f"{name}.output").open("wb") as output:
        return lab.popen("sender", line, stdout=output, stderr=output)
