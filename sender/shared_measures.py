"""What processes count, in memory that all of them see: those that replay, their parent, the live view."""

from __future__ import annotations

import mmap
import os
import time

import numpy as np
import numpy.typing as npt

from gryphon.sender.replay.measures import Counter, Measures

_WORDS = 6

ALONE_NS = 10_000_000_000
"""A parent that stands still for so long renews no lease and stops nobody: its processes end, as by a lost lease."""


class Word:
    """A number of ``SharedMeasures`` beside what is counted."""

    def __init__(self, place: int, what: str) -> None:
        self._place = place
        self.__doc__ = what

    def __get__(self, measures: SharedMeasures, owner: type | None = None) -> int:
        return int(measures.words[self._place])

    def __set__(self, measures: SharedMeasures, value: int) -> None:
        measures.words[self._place] = value


class SharedMeasures:
    """What each process counts, and all together; and a few words between them."""

    signals = Word(0, "How often the processes were asked to stop.")
    drawn = Word(1, "Whether the live view is wanted.")
    epoch_ns = Word(2, "CLOCK_MONOTONIC at the run's time 0, 0 before that is known.")
    ring_lost = Word(3, "Records that were lost for want of room, as of the last second.")
    served = Word(4, "Whether the figures for Prometheus are wanted.")
    looked_ns = Word(5, "CLOCK_MONOTONIC when the parent last looked after its processes, 0 before it does.")

    def __init__(self, shares: int) -> None:
        size = Measures.size()
        memory = mmap.mmap(-1, (shares * size + _WORDS) * 8)
        numbers: npt.NDArray[np.int64] = np.frombuffer(memory, np.int64)
        self.words = numbers[:_WORDS]
        self.drawn = 1
        self.shares = [Measures.over(numbers[_WORDS + share * size :][:size]) for share in range(shares)]
        self._peak = 0

    @property
    def counters(self) -> npt.NDArray[np.int64]:
        """The sums; the peak is the highest that was seen in any look (ten a second), the one number that is no sum."""
        total: npt.NDArray[np.int64] = np.sum([share.counters for share in self.shares], axis=0)
        alone = max(int(share.counters[Counter.PEAK_ACTIVE]) for share in self.shares)
        self._peak = max(self._peak, int(total[Counter.ACTIVE]), alone)
        total[Counter.PEAK_ACTIVE] = self._peak
        return total

    @property
    def histograms(self) -> npt.NDArray[np.int64]:
        """The sums; of one share the live array itself, since a copy takes milliseconds."""
        if len(self.shares) == 1:
            return self.shares[0].histograms
        total: npt.NDArray[np.int64] = np.sum([share.histograms for share in self.shares], axis=0)
        return total

    @property
    def statuses(self) -> npt.NDArray[np.int64]:
        """The sums."""
        total: npt.NDArray[np.int64] = np.sum([share.statuses for share in self.shares], axis=0)
        return total


class Told:
    """``Stop`` of a process of the team: its parent says so, or is gone."""

    def __init__(self, measures: SharedMeasures, parent: int) -> None:
        self._measures = measures
        self._parent = parent

    @property
    def signals(self) -> int:
        return self._measures.signals or int(self.is_gone())

    def is_gone(self) -> bool:
        """Whether the parent is, or stands still."""
        looked = self._measures.looked_ns
        return os.getppid() != self._parent or (looked > 0 and time.monotonic_ns() - looked > ALONE_NS)
