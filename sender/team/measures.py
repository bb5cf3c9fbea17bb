"""What several processes count, in memory that all of them see, and whether they are to stop."""

from __future__ import annotations

import mmap
import os

import numpy as np
import numpy.typing as npt

from gryphon.sender.replay.measures import Counter, Measures


class SharedMeasures:
    """What each process counts, and all together; and whether they are to stop."""

    def __init__(self, shares: int) -> None:
        size = Measures.size()
        memory = mmap.mmap(-1, (shares * size + 1) * 8)
        numbers: npt.NDArray[np.int64] = np.frombuffer(memory, np.int64)
        self._stop = numbers[:1]
        self.shares = [Measures.over(numbers[1 + share * size :][:size]) for share in range(shares)]
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
        """The sums."""
        total: npt.NDArray[np.int64] = np.sum([share.histograms for share in self.shares], axis=0)
        return total

    @property
    def statuses(self) -> npt.NDArray[np.int64]:
        """The sums."""
        total: npt.NDArray[np.int64] = np.sum([share.statuses for share in self.shares], axis=0)
        return total

    @property
    def signals(self) -> int:
        """How often they were asked to stop."""
        return int(self._stop[0])

    @signals.setter
    def signals(self, times: int) -> None:
        self._stop[0] = times


class Told:
    """``Stop`` of a process of the team: its parent says so, or is gone."""

    def __init__(self, measures: SharedMeasures, parent: int) -> None:
        self._measures = measures
        self._parent = parent

    @property
    def signals(self) -> int:
        return self._measures.signals or int(os.getppid() != self._parent)
