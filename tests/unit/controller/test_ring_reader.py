"""The reader over ring memory that the test lays out as the kernel would."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from gryphon.controller.record import RECORD
from gryphon.controller.ring import BUSY, DISCARD, Reader, slot
from gryphon.controller.samples import sampled

PAGE = 4096
SLOT = slot(0)


class Memory:
    """A ring of one page: consumer page, producer page, data twice in a row as the kernel maps it."""

    def __init__(self, start: int = 0, sample: int = 0) -> None:
        self.sample = sample
        self.consumer, self.producer = mmap.mmap(-1, PAGE), mmap.mmap(-1, 3 * PAGE)
        self.reader = Reader(self.consumer, self.producer, PAGE, PAGE, sample)
        self.positions = [np.frombuffer(memory, np.uint64, 1) for memory in (self.consumer, self.producer)]
        for position in self.positions:
            position[0] = start

    @property
    def consumed(self) -> int:
        return int(self.positions[0][0])

    def write(self, seq: int, bits: int = 0) -> int:
        """Appends a record in the state that ``bits`` say; gives its position."""
        written, record = np.zeros(1, slot(self.sample)), np.zeros(1, sampled(self.sample))
        record["seq"] = seq
        if self.sample:
            record["sample"] = seq
        written["length"] = record.itemsize | bits
        written["record"] = record.view(written["record"].dtype)
        position = int(self.positions[1][0])
        for offset, byte in enumerate(written.tobytes(), position):
            for mapping in (0, PAGE):
                self.producer[PAGE + mapping + offset % PAGE] = byte
        self.positions[1][0] += written.itemsize
        return position

    def finish(self, position: int, bits: int = 0) -> None:
        """Ends the writing of a busy record."""
        header = (RECORD.itemsize | bits).to_bytes(4, "little")
        for mapping in (0, PAGE):
            at = PAGE + mapping + position % PAGE
            self.producer[at : at + 4] = header

    def read(self) -> list[int]:
        return [int(seq) for seq in self.reader.read()["seq"]]


def test_an_empty_ring_gives_an_empty_array() -> None:
    memory = Memory()
    records = memory.reader.read()
    assert (len(records), records.dtype, memory.reader.is_empty()) == (0, RECORD, True)


def test_records_come_in_order_and_their_memory_goes_back() -> None:
    memory = Memory()
    for seq in range(5):
        memory.write(seq)
    assert (memory.read(), memory.consumed, memory.read()) == ([0, 1, 2, 3, 4], 5 * SLOT.itemsize, [])


@pytest.mark.parametrize("start", [PAGE - 8, PAGE - 64, PAGE - 72, 40 * PAGE - 16, (1 << 40) + PAGE - 40])
def test_a_record_that_wraps_is_one_piece(start: int) -> None:
    memory = Memory(start)
    for seq in range(56):
        memory.write(seq)
    assert memory.read() == list(range(56))


def test_reading_stops_before_a_record_that_is_being_written() -> None:
    memory = Memory()
    memory.write(1)
    busy = memory.write(2, BUSY)
    memory.write(3)
    assert (memory.read(), memory.consumed) == ([1], SLOT.itemsize)
    assert (memory.read(), memory.reader.is_empty()) == ([], False)
    memory.finish(busy)
    assert memory.read() == [2, 3]


def test_discarded_records_are_skipped_and_their_memory_goes_back() -> None:
    memory = Memory()
    for seq, bits in ((1, 0), (2, DISCARD), (3, 0), (4, DISCARD)):
        memory.write(seq, bits)
    assert (memory.read(), memory.consumed) == ([1, 3], 4 * SLOT.itemsize)


def test_a_busy_record_may_end_as_discarded() -> None:
    memory = Memory()
    position = memory.write(1, BUSY)
    memory.write(2)
    memory.finish(position, DISCARD)
    assert memory.read() == [2]


def test_what_was_read_is_a_copy() -> None:
    memory = Memory()
    memory.write(1)
    records = memory.reader.read()
    for _ in range(60):
        memory.write(9)
    assert records["seq"].tolist() == [1]


def test_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gryphon.controller.ring.BATCH_BYTES", 3 * RECORD.itemsize + 63)
    memory = Memory()
    for seq in range(5):
        memory.write(seq)
    assert (memory.read(), memory.read()) == ([0, 1, 2], [3, 4])


@pytest.mark.parametrize("start", [0, PAGE - 8, PAGE - 72, PAGE - 80, PAGE - 100 * 8])
def test_each_record_of_a_ring_with_samples_comes_with_its_own(start: int) -> None:
    memory = Memory(start, sample=256)
    for seq, bits in ((1, 0), (2, DISCARD), (3, 0), (4, 0), (5, BUSY)):
        memory.write(seq, bits)
    records = memory.reader.read()
    assert records.dtype == sampled(256)
    assert records["seq"].tolist() == [1, 3, 4]
    assert [set(sample.tolist()) for sample in records["sample"]] == [{1}, {3}, {4}]
    assert memory.consumed == start + 4 * slot(256).itemsize
    assert memory.reader.read().dtype == sampled(256)
