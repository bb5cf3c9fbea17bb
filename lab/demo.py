"""`gryphon demo`: records real clients in the lab, replays them in all three topologies and compares the counts."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from gryphon.controller.errors import InputFault
from gryphon.lab import leftovers, needs
from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording, record
from gryphon.lab.replay import replay
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.tally import table
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.wiring import HOSTS, SERVER_V4


def run_demo(*, users: int = 1000, keep: bool = False, remove: bool = False) -> int:
    """The whole demo; it prints what it does and takes everything down at the end, however it ends.

    Args:
        users: simulated users in each topology.
        keep: leaves hosts, nginx and recording, and says how to enter and to remove them.
        remove: does nothing but remove what `keep` left.

    Returns:
        The exit status: 0 when all counts agree in all topologies, 1 when some do not, 130 when interrupted.
    """
    if users < 1:
        raise InputFault("The demo needs at least one user: `--users` 1 or more.")
    needs.check()
    if remove:
        _say("The kept lab is gone." if leftovers.remove(leftovers.KEPT) else "There is no kept lab.")
        return 0
    with _interruptible_once():
        try:
            return _demo(users, keep)
        except KeyboardInterrupt:
            left = "stays: `gryphon demo --remove` removes it" if keep else "is gone"
            print(f"Interrupted; the lab {left}.", file=sys.stderr)
            return 130


def _demo(users: int, keep: bool) -> int:
    _say("Making three hosts in network namespaces without a route outside: " + ", ".join(HOSTS))
    with Lab(kept=keep) as lab, Nginx(lab, connections=users + 1000) as nginx:
        _say(f"Recording curl at work against nginx on {SERVER_V4}:{PORT} with tcpdump")
        recording = record(lab, nginx, lab.directory / "recorded.pcap")
        requests = sum(map(len, recording.sessions))
        size = recording.path.stat().st_size
        _say(f"{len(recording.sessions)} sessions, {requests} requests, {size:,} bytes in {recording.path}")
        agree = [_replay(lab, nginx, topology, recording, users) for topology in TOPOLOGIES]
        if keep:
            lab.route_forged("sender")
            _say(_how_to_enter(recording))
    _say("\nAll counts agree in all topologies." if all(agree) else "\nSome counts differ.")
    return 0 if all(agree) else 1


def _replay(lab: Lab, nginx: Nginx, topology: Topology, recording: Recording, users: int) -> bool:
    _say(f"\nTopology {topology.name}: {topology.purpose}")
    rows = replay(lab, nginx, topology, recording, users, tell=lambda text: _say("  " + text))
    _say(table(rows))
    return all(row.agrees for row in rows)


def _how_to_enter(recording: Recording) -> str:
    enter = "\n".join(f"  sudo {script('gryphon')} demo --enter {host}" for host in HOSTS)
    send = shlex.join([script("gryphon"), *options(recording, "xdp:eth0", 1000)])
    return (
        f"\nThe lab stays, with nginx and the recording. To enter a host:\n{enter}\n"
        f"To replay again, on the sender:\n  {send}\n"
        f"To remove it all:\n  sudo {script('gryphon')} demo --remove"
    )


def _say(text: str) -> None:
    print(text, flush=True)  # before what a child writes to the same place


@contextlib.contextmanager
def _interruptible_once() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP interrupt as Ctrl-C does, and only the first of them all: the clean-up is bounded."""
    first = True

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first:
            first = False
            raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
