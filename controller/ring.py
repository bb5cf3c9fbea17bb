"""The ring: records out of the kernel's memory into numpy, without a system call or a Python object per record.

The kernel maps three things (``kernel/bpf/ringbuf.c``): the consumer's position, ours to write; the producer's
position; and the data, twice in a row, so that what wraps is still one piece. A record is preceded by 8 bytes whose
first four are its length with a bit "busy" (reserved, not yet written) and a bit "discard".
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.bpf.maps import Map
from gryphon.controller.fence import Fence
from gryphon.controller.record import Records
from gryphon.controller.samples import sampled

BUSY = 1 << 31
DISCARD = 1 << 30
BATCH_BYTES = 4 << 20
"""Of the records that one ``read()`` gives at most: 65,536 without samples."""


def slot(sample: int) -> np.dtype[np.void]:
    """A record with its header; a multiple of 8 bytes, so that slots follow each other without a gap.

    The record is plain bytes here: numpy copies a structured type field by field, forty times slower.
    """
    return np.dtype([("length", "u4"), ("page", "u4"), ("record", np.void, sampled(sample).itemsize)])


class Ring:
    """A ``RecordSource`` over a BPF ring buffer and the flag that says whether its reader sleeps.

    Not for two threads at once: the kernel knows one reader.

    Args:
        sample: bytes of payload behind each record, as the program was loaded.
        number: of the ring among those of its program.
    """

    def __init__(self, ring: Map, sleeping: Map, sample: int = 0, number: int = 0) -> None:
        page = mmap.PAGESIZE
        size = ring.max_entries
        self._map = ring
        consumer = mmap.mmap(ring.descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        producer = mmap.mmap(ring.descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        flag = mmap.mmap(sleeping.descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._reader = Reader(consumer, producer, size, page, sample)
        self._sleeping: npt.NDArray[np.uint64] = np.frombuffer(flag, np.uint64, 1, 8 * number)

    def read(self) -> Records:
        """Takes everything that is there, up to ``BATCH_BYTES``, in order of capture.

        Returns:
            A copy, dtype ``sampled(sample)``; empty when there is nothing.
        """
        if self._sleeping[0]:
            self._sleeping[0] = 0  # Who reads does not sleep, and a wake-up a record would be dear.
        return self._reader.read()

    def fileno(self) -> int:
        """Gives the descriptor that becomes readable after ``arm()``."""
        return self._map.descriptor

    def arm(self) -> bool:
        """Asks for a wake-up at the next record.

        Returns:
            False when records are there already (or are just being written): do not wait.
        """
        self._sleeping[0] = 1
        self._reader.fence()
        if self._reader.is_empty():
            return True
        self._sleeping[0] = 0
        return False

    def disarm(self) -> None:
        """Asks for no more wake-ups: the caller polls."""
        self._sleeping[0] = 0


class Reader:
    """Decodes ring memory; knows nothing of descriptors, so that a test can lay out the memory itself."""

    def __init__(self, consumer: Any, producer: Any, size: int, data_offset: int, sample: int = 0) -> None:
        self._consumer: npt.NDArray[np.uint64] = np.frombuffer(consumer, np.uint64, 1)
        self._producer: npt.NDArray[np.uint64] = np.frombuffer(producer, np.uint64, 1)
        self._memory = producer
        self._data_offset = data_offset
        self._size = size
        self._record = sampled(sample)
        self._slot = slot(sample)
        self.fence = Fence()  # The kernel orders its writes (record, then its busy bit); we our reads.

    def is_empty(self) -> bool:
        """Says whether nothing has been reserved beyond what was read."""
        return bool(self._consumer[0] == self._producer[0])

    def read(self) -> Records:
        """Copies the written records out and gives their memory back to the kernel."""
        start = int(self._consumer[0])
        count = min((int(self._producer[0]) - start) // self._slot.itemsize, BATCH_BYTES // self._record.itemsize)
        if count <= 0:
            return np.empty(0, self._record)
        self.fence()
        offset = self._data_offset + start % self._size
        slots: Records = np.frombuffer(self._memory, self._slot, count, offset)
        lengths = slots["length"].copy()
        busy = lengths & BUSY != 0
        if busy.any():
            count = int(busy.argmax())
            lengths = lengths[:count]
        self.fence()
        kept = lengths & DISCARD == 0
        records: Records = slots["record"][:count]
        records = records.copy() if kept.all() else records[kept]
        self.fence()
        self._consumer[0] = start + count * self._slot.itemsize
        return records.view(self._record)
