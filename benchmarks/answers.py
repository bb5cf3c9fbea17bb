"""Answers of a service to 65,536 forged addresses, made out of live frames: no system call and no socket for each."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks.inside import inside
from gryphon.bpf import live, loader, syscall
from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.wiring import FORGED_V4, SERVER_V4, HostName
from gryphon.sender.transmit.xdp_anchor import anchor
from gryphon.sender.transmit.xdp_program import KERNEL_BATCH

PROGRAM = Path(__file__).with_suffix(".bpf.c")
_CALL = 4096
_CORE = 1
_SETTLED = 0.002
"""Seconds after which all that was sent has arrived."""


class Rate:
    """Packets that arrived at a hook, by time and by CPU time of the generator, which on a busy machine says more."""

    def __init__(self) -> None:
        self._sent = self._taken = 0
        self._seconds = self._cpu = 0.0

    @property
    def packets(self) -> float:
        """A second."""
        return self._taken / self._seconds

    @property
    def by_cpu(self) -> float:
        """A second of the generator's CPU."""
        return self._taken / self._cpu

    @property
    def lost(self) -> float:
        """Of those sent, the share that never reached the hook: a full veth ring drops."""
        return max(0.0, 1 - self._taken / self._sent)

    def add(self, run: Callable[[int], None], seconds: float, arrived: Callable[[], int]) -> None:
        """Sends for so long; ``arrived`` counts at the hook."""
        run(_CALL)
        sent, before, cpu, begun = 0, arrived(), time.thread_time(), time.perf_counter()
        while time.perf_counter() - begun < seconds:
            run(_CALL)
            sent += _CALL
        self._seconds += time.perf_counter() - begun
        self._cpu += time.thread_time() - cpu
        time.sleep(_SETTLED)
        taken = arrived() - before
        if not taken:
            raise EnvironmentFault(
                "No packet reached the hook: the figures would be those of packets that went nowhere."
            )
        self._sent += sent
        self._taken += taken


@contextmanager
def generator(lab: Lab, host: HostName, function: str) -> Iterator[Callable[[int], None]]:
    """What sends so many answers, from one core."""
    frame, words = _frame()
    with inside(lab, host), ExitStack() as undo:
        module = loader.compile(PROGRAM, {"DEVICE": socket.if_nametoindex("eth0"), "SUM": words})
        undo.callback(module.close)
        program = module.load(syscall.XDP, function, f"bench_{function}")
        undo.callback(os.close, program)
        made = live.LiveRun(program, len(frame), KERNEL_BATCH, frame)
        undo.enter_context(anchor(program))

        def run(frames: int) -> None:
            number = made.run(frames)
            if number:
                raise EnvironmentFault(f"The kernel does not run live frames: {os.strerror(number)}.")

        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {_CORE})
        undo.callback(os.sched_setaffinity, 0, own)
        yield run


def _frame() -> tuple[bytes, int]:
    """An answer of a service with its timestamps and no payload, and the sum that its program goes on with.

    The destination MAC is the loopback's, so that the stack takes it for its own; veth and XDP do not care.
    """
    network = FORGED_V4.network_address.packed
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 52, 1, 0x4000, 64, 6, 0, IPv4Address(SERVER_V4).packed, network)
    tcp = struct.pack("!HHIIBBHHHBBII", 80, 33_000, 1, 1, 8 << 4, 0x10, 500, 0, 0, 1, 1, 0, 0)[:20]
    options = struct.pack("!BBBBII", 1, 1, 8, 10, 7, 7)
    return bytes(12) + b"\x08\x00" + ip + tcp + options, sum(struct.unpack("=10H", ip))
