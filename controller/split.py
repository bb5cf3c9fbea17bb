"""Which records of a batch are whose: numpy masks, never a Python object per record."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from gryphon.controller.record import Records
from gryphon.controller.samples import cut, whole


class Share:
    """Picks the records of one grant out of the batches of a ring that several grants share.

    A record must carry the grant's generation, and one of its services: a service of an ended run may still
    linger, and its late answers to addresses that the next run has again are nobody's.

    Args:
        sample: bytes of payload behind each record that this grant needs of those in the ring.
    """

    def __init__(self, generation: int, services: Iterable[int], sample: int = 0) -> None:
        self.generation = generation
        self._sample = sample
        self._wanted: npt.NDArray[np.bool_] = np.zeros(1 << 16, dtype=np.bool_)
        self._wanted[list(services)] = True

    def of(self, records: Records) -> Records:
        """The records of this grant, in order, cut to its sample; the batch itself when all are and nothing is cut."""
        mask = records["generation"] == self.generation
        mask &= self._wanted[records["service"]]
        mine = records if mask.all() else whole(records)[mask].view(records.dtype)
        return cut(mine, self._sample)
