"""Which records of a batch are whose: numpy masks, never a Python object per record."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from gryphon.controller.record import PLAIN, RECORD, Records


class Share:
    """Picks the records of one grant out of the batches of a ring that several grants share.

    A record must carry the grant's generation, and one of its services: a service of an ended run may still
    linger, and its late answers to addresses that the next run has again are nobody's.
    """

    def __init__(self, generation: int, services: Iterable[int]) -> None:
        self.generation = generation
        self._wanted: npt.NDArray[np.bool_] = np.zeros(1 << 16, dtype=np.bool_)
        self._wanted[list(services)] = True

    def of(self, records: Records) -> Records:
        """The records of this grant, in order; the batch itself when all are."""
        mask = records["generation"] == self.generation
        mask &= self._wanted[records["service"]]
        return records if mask.all() else records.view(PLAIN)[mask].view(RECORD)
