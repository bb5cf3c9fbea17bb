"""Where a sending process's time goes while packets leave late: once a second, from what the kernel counts of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from gryphon.sender.results.histogram import Counts
from gryphon.sender.results.lateness import WhileLate, is_late

LOOKS_S: Final = 1.0
_LATER_S: Final = 1.5
"""So often looks come; one that comes later than the second, without work or waiting, comes after a standstill."""

_OF_THREAD: Final = Path("/proc/thread-self/schedstat")
_OF_MACHINE: Final = Path("/proc/stat")
_BUSY: Final = (0, 1, 2, 5, 6)  # user (guests within), nice, system, irq, softirq
_STEAL: Final = 7


class Spent(NamedTuple):
    """Nanoseconds so far of this thread."""

    busy: int
    waited: int  # on a run queue, while another had the processor


class Machine(NamedTuple):
    """Ticks so far of all processors."""

    busy: int
    stolen: int


def spent() -> Spent:
    """Of the calling thread; without the wait where the kernel does not count it."""
    try:
        busy, waited, _ = _OF_THREAD.read_text().split()
    except (OSError, ValueError):
        return Spent(time.thread_time_ns(), 0)
    return Spent(int(busy), int(waited))


def machine() -> Machine:
    """Of the machine; all 0 where it cannot be read."""
    try:
        with _OF_MACHINE.open() as file:
            ticks = [int(word) for word in file.readline().split()[1:]]
        return Machine(sum(ticks[place] for place in _BUSY), ticks[_STEAL])
    except (OSError, ValueError, IndexError):
        return Machine(0, 0)


class Processor:
    """Adds up the seconds in which packets were late.

    Args:
        late: the histogram of lateness, which an engine counts in.
        since_ns: CLOCK_MONOTONIC from when on its figures are judged.
        processes: of the run; they share the processors.
        read: what the kernel counts.

    Attributes:
        while_late: the sum so far.
    """

    def __init__(
        self,
        late: Counts,
        since_ns: int,
        processes: int = 1,
        read: tuple[Callable[[], Spent], Callable[[], Machine]] = (spent, machine),
    ) -> None:
        self.while_late = WhileLate()
        self._late, self._since_ns = late, since_ns
        self._available = min(1.0, len(os.sched_getaffinity(0)) / processes)
        self._read = read
        self._begin(since_ns, 0, 0)
        self._machine = read[1]()

    def _begin(self, now_ns: int, device_ns: int, held_ns: int) -> None:
        self._before = now_ns, self._read[0](), device_ns, held_ns
        self._counts = self._late.copy()

    def look(self, now_ns: int, device_ns: int, held_ns: int) -> None:
        """Take stock of what was since the last look.

        Args:
            device_ns: how long the run has waited for the device so far.
            held_ns: how long the intercept's limits have held it back so far.
        """
        before_ns, before, before_device, before_held = self._before
        late = now_ns > self._since_ns and is_late(self._late - self._counts)
        self._begin(now_ns, device_ns, held_ns)
        if not late:
            return
        after = self._before[1]
        elapsed_s = (now_ns - before_ns) / 1e9
        busy_s, waited_s = (after.busy - before.busy) / 1e9, (after.waited - before.waited) / 1e9
        device_s, held_s = (device_ns - before_device) / 1e9, (held_ns - before_held) / 1e9
        rest_s = busy_s + waited_s + device_s + held_s
        self.while_late = self.while_late.plus(
            WhileLate(
                elapsed_s=elapsed_s,
                available_s=elapsed_s * self._available,
                busy_s=busy_s,
                waited_s=waited_s,
                stolen_s=busy_s * self._stolen(),
                device_s=device_s,
                held_s=held_s,
                still_s=max(elapsed_s - LOOKS_S - rest_s, 0.0) if elapsed_s > _LATER_S else 0.0,
            )
        )

    def _stolen(self) -> float:
        """Of the time that this machine was busy as far as it knows, the share that its host took away.

        The file is long to make on large machines, so it is not read in seconds without lateness.
        """
        before, self._machine = self._machine, self._read[1]()
        busy, stolen = self._machine.busy - before.busy, self._machine.stolen - before.stolen
        return min(stolen / max(busy + stolen, 1), 1.0)
