"""Who takes what was intercepted, on the other core: the reader of a ring, or of an NFQUEUE."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import queueing
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.ring import Ring
from gryphon.lab import needs
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until
from gryphon.sender.transmit.xdp_program import KERNEL_BATCH

_LONGEST_QUEUE = 16_384


@contextmanager
def reading(rings: Sequence[Ring]) -> Iterator[list[int]]:
    """Rings are read by a process on the other core; how many records it took of each is there at the end.

    A thread would take turns with the generator at the interpreter's lock.
    """
    taken: list[int] = []
    told, tell = os.pipe()
    heard, say = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(tell)
            os.write(say, struct.pack(f"={len(rings)}q", *_read(rings, told)))
        finally:
            os._exit(0)
    for end in (told, say):
        os.close(end)
    try:
        yield taken
    finally:
        os.close(tell)
        raw = os.read(heard, 8 * len(rings))
        taken += struct.unpack(f"={len(rings)}q", raw or bytes(8 * len(rings)))
        os.close(heard)
        os.waitpid(child, 0)


def queued(lab: Lab, run: Callable[[int], None], seconds: float) -> float:
    """What an NFQUEUE reader takes a second while the generator keeps its queue filled."""
    counter = lab.directory / "taken"
    counter.write_bytes(struct.pack("=q", -1))
    rule = [needs.tool("iptables-legacy"), "-t", "raw", "-A", "PREROUTING", "-i", "lo", "-p", "tcp", "--sport", "80"]
    lab.run("server", [*rule, "-j", "NFQUEUE", "--queue-num", "0"])
    line = [sys.executable, str(Path(queueing.__file__)), str(counter)]
    reader = lab.popen("server", line, stdout=subprocess.DEVNULL)

    def taken() -> int:
        if reader.poll() is not None:
            raise EnvironmentFault("The NFQUEUE reader ended; it says above why.")
        return int(struct.unpack("=q", counter.read_bytes())[0])

    until("the NFQUEUE reader to be ready", lambda: taken() == 0)
    sent, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        if sent - taken() < _LONGEST_QUEUE:
            run(KERNEL_BATCH)
            sent += KERNEL_BATCH
        else:
            time.sleep(0.001)
    rate = taken() / passed
    lab.end(reader)
    return rate


def _read(rings: Sequence[Ring], told: int) -> list[int]:
    """Takes records until the other end of the pipe is closed, also by its owner's death; their numbers."""
    os.sched_setaffinity(0, {0})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    taken, last = [0] * len(rings), False
    while True:
        numbers = [ring.read().size for ring in rings]
        taken = [before + number for before, number in zip(taken, numbers, strict=True)]
        if any(numbers):
            continue
        if last:
            return taken
        last = bool(select.select([told], [], [], 0.0002)[0])
