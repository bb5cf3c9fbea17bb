"""One run of `benchmarks.scale`: users connect, each has a request answered, all are held, then all are reset."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any, NamedTuple

from benchmarks import measure, replay
from gryphon.lab.hosts import Lab
from gryphon.lab.processes import processes_in

_INTERVAL = 0.05
_QUIET = 5.0
"""Seconds without another user's request after which the rest is not waited for."""
_RESET_PATIENCE = 60.0


class Seen(NamedTuple):
    """What a server has counted so far, at a moment of CLOCK_MONOTONIC."""

    time: float
    connections: int
    requests: int
    gone: int
    """Connections that are no more."""
    packets: int
    """That came in."""


@dataclass(frozen=True)
class Costs:
    """What was used up to a moment: CPU seconds and bytes of the sender, bytes of the server's side."""

    cpu: float
    anonymous: int
    server_memory: int
    slab: int
    sockets: int


@dataclass(frozen=True)
class Held:
    """One run.

    Attributes:
        first, served: the server's count when the first packet had come, and when each user's request had, or the last.
        interrupted, reset: its count at SIGINT, and when that had ended every connection.
        began, connected, held: what was used by then.
        cpu: of the sender, whole; peak: the most bytes it had resident; ended_s: seconds from SIGINT to its end.
        report: its result file.
    """

    users: int
    first: Seen
    served: Seen
    interrupted: Seen
    reset: Seen
    began: Costs
    connected: Costs
    held: Costs
    cpu: float
    peak: int
    ended_s: float
    report: dict[str, Any]

    def figures(self) -> dict[str, float]:
        """Every figure of the table by its name."""
        report, users = self.report, self.users
        connecting = self.served.time - self.first.time
        packets = self.served.packets - self.first.packets
        cpu, all_cpu = self.connected.cpu - self.began.cpu, self.cpu - self.began.cpu
        answered, connected = report["messages"]["answered"], report["users"]["connected"]
        return {
            "seconds until all were connected and served": connecting,
            "connections/s": self.served.connections / connecting if connecting else 0.0,
            "users connected": connected,
            "users whose first request was answered": min(answered, connected),
            "users that failed": sum(n for why, n in report["users"]["failed"].items() if why != "aborted"),
            "heartbeats answered": max(answered - connected, 0),
            "  of each user": max(answered - connected, 0) / max(connected, 1),
            "packets resent": report["packets"]["retransmitted"],
            "answers lost before the ring": report["packets"]["ring_lost"],
            "CPU us per client packet while connecting": cpu / packets * 1e6 if cpu > 0.2 else 0.0,
            "  of the whole run": all_cpu / report["packets"]["sent"] * 1e6,
            "sender's peak of memory, MiB": self.peak / 2**20,
            "  anonymous when held, MiB": self.held.anonymous / 2**20,
            "  beyond 96 bytes a user, MiB": (self.peak - 96 * users) / 2**20,
            "server's processes, MiB more": (self.held.server_memory - self.began.server_memory) / 2**20,
            "kernel's slabs, MiB more": (self.held.slab - self.began.slab) / 2**20,
            "socket buffers, MiB": self.held.sockets / 2**20,
            "seconds until all were reset": self.reset.time - self.interrupted.time,
            "connections reset": self.reset.gone,
            "seconds until gryphon had ended": self.ended_s,
            "late p50, ms": (report["pacing"]["late_p50_us"] or 0) / 1e3,
            "late p99, ms": (report["pacing"]["late_p99_us"] or 0) / 1e3,
        }


@dataclass
class Holder:
    """Runs one sender against a server that counts.

    Attributes:
        look: the server's count.
        hold: seconds that all are held once each has been served.
        patience: seconds in which they all have to be.
    """

    lab: Lab
    look: Callable[[], Seen]
    hold: float
    patience: float
    _peak: int = 0

    def run(self, ready: replay.Intercepting, capture: Path, port: int, users: int, options: list[str]) -> Held:
        """The whole run; EnvironmentFault when it wrote no result, or ended by itself in the middle."""
        idle = self._costs(None)
        sender = replay.start(self.lab, ready, capture, port, ["-u", str(users), *options])
        first = self._until(sender, lambda seen: seen.packets > 0, 120.0)
        began = self._costs(sender, idle)
        served = self._until(sender, lambda seen: min(seen.connections, seen.requests) >= users, self.patience)
        connected = self._costs(sender)
        self._wait(sender, self.hold)
        held = self._costs(sender)
        interrupted = self.look()
        asked = time.monotonic()
        sender.send_signal(signal.SIGINT)
        gone = self.look().connections
        reset = self._until(sender, lambda seen: seen.gone >= gone, _RESET_PATIENCE)
        self._wait(sender, _RESET_PATIENCE)
        ended = time.monotonic() - asked
        cpu = measure.cpu_seconds(sender.pid)
        report = replay.result(self.lab, sender)
        interrupted = interrupted._replace(time=asked)
        return Held(users, first, served, interrupted, reset, began, connected, held, cpu, self._peak, ended, report)

    def _until(self, sender: Popen[bytes], reached: Callable[[Seen], bool], patience: float) -> Seen:
        """The first count that satisfies, or the last one that was new when nothing is new for a while."""
        end = time.monotonic() + patience
        last = seen = self.look()
        while not reached(seen):
            if seen[1:] != last[1:] or not last.requests:
                last = seen
            over = measure.has_ended(sender)
            if over or time.monotonic() > end or (last.requests and seen.time - last.time > _QUIET):
                return last
            self._peak = max(self._peak, measure.peak_bytes(sender.pid))
            time.sleep(_INTERVAL)
            seen = self.look()
        return seen

    def _wait(self, sender: Popen[bytes], seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not measure.has_ended(sender):
            self._peak = max(self._peak, measure.peak_bytes(sender.pid))
            time.sleep(_INTERVAL)

    def _costs(self, sender: Popen[bytes] | None, server: Costs | None = None) -> Costs:
        """Of now; the server's side of an earlier moment where one is given."""
        inside = processes_in(self.lab.namespace("server"))
        family = [sender.pid, *measure.children(sender.pid)] if sender else []
        return Costs(
            cpu=measure.cpu_seconds(sender.pid) if sender else 0.0,
            anonymous=sum(_kilobytes(f"/proc/{pid}/status", "RssAnon:") for pid in family),
            server_memory=server.server_memory if server else sum(_own_bytes(pid) for pid in inside),
            slab=server.slab if server else _kilobytes("/proc/meminfo", "Slab:"),
            sockets=self._sockets(),
        )

    def _sockets(self) -> int:
        """Bytes in the buffers of the server's TCP sockets (the machine's whole: the limit is, too)."""
        words = self.lab.run("server", ["cat", "/proc/net/sockstat"]).stdout.split()
        return int(words[words.index("mem") + 1]) * 4096 if "mem" in words else 0


def _kilobytes(path: str, name: str) -> int:
    """A number of kB out of a file of /proc, as bytes; 0 when the process is gone."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def _own_bytes(pid: int) -> int:
    """What a process alone has resident: workers of one server share the rest."""
    return _kilobytes(f"/proc/{pid}/smaps_rollup", "Private_Dirty:")
