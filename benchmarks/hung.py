"""An interception whose records come through a pipe, for benchmarks of the intercept's server without a kernel's."""

from __future__ import annotations

import contextlib
import os
import time

import numpy as np
import numpy.typing as npt

from gryphon.controller.record import RECORD, Records
from gryphon.controller.source import Counts, IPAddress, IPNetwork

BATCH = 10
"""Records at once."""
EVERY_S = 0.001


def feed(writing: int) -> None:
    """The time, written into the pipe every millisecond, until killed."""
    due = time.monotonic()
    while True:
        due += EVERY_S
        time.sleep(max(due - time.monotonic(), 0))
        with contextlib.suppress(BlockingIOError):
            os.write(writing, time.monotonic_ns().to_bytes(8, "little"))


class Fed:
    """An interception that registers whatever it is told, and is its own ring: a time read is ``BATCH`` records."""

    hook, interface, mode, sample = "xdp", "fed0", "benchmark", 0

    def __init__(self, reading: int) -> None:
        self._reading = reading
        self._generation = 0
        self.ring = self

    def read(self) -> Records:
        """What has come through the pipe."""
        try:
            times: npt.NDArray[np.uint64] = np.frombuffer(os.read(self._reading, 1 << 16), np.uint64)
        except BlockingIOError:
            return np.zeros(0, RECORD)
        records = np.zeros(len(times) * BATCH, RECORD)
        records["time_ns"], records["generation"] = np.repeat(times, BATCH), self._generation
        return records

    def fileno(self) -> int:
        """The pipe."""
        return self._reading

    def arm(self) -> bool:
        """The pipe wakes by itself."""
        return True

    def disarm(self) -> None:
        """Nothing to do."""

    def counters(self) -> Counts:
        """None."""
        return Counts()

    def add_service(self, address: IPAddress, port: int) -> int:
        """All are the first."""
        return 0

    def remove_service(self, index: int) -> None:
        """Nothing to do."""

    def add_range(self, network: IPNetwork, generation: int, deadline_ns: int, ring: int = 0) -> None:
        """The records are of the last grant."""
        self._generation = generation

    def renew(self, network: IPNetwork, deadline_ns: int) -> None:
        """Nothing to do."""

    def ranges(self) -> list[object]:
        """None that linger."""
        return []
