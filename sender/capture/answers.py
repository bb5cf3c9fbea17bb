"""The first bytes of each recorded answer, out of the server's segments: what a run's answers are compared with.

Where an answer begins in the server's stream follows from the MESSAGE rows: the bytes that were expected and pushed
before it are those in front of it. Of several copies of a byte the first counts, and bytes that stand in the
capture in another order come to their place; what it lost, or cut off, ends the head.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ACK, RST, SYN, Array, Data
from gryphon.sender.capture.packets import Packets
from gryphon.sender.capture.sessions import Order
from gryphon.sender.capture.stream import FARTHEST_SERVER, unwrap
from gryphon.sender.capture.unpack import forget
from gryphon.sender.compiled import int64, kernel

_PART = np.dtype(
    [
        ("start", "i8"),  # offset of the answer's first byte in the server's stream
        ("size", "i8"),  # of its bytes, how many are kept
        ("room", "i8"),  # where their room begins
    ]
)
"""The beginning of one answer; of a connection they are in stream order and do not overlap."""


def keep(
    packets: Packets,
    order: Order,
    runs: Array,
    bursts: Array,
    facts: Array,
    messages: Array,
    counts: npt.NDArray[np.int64],
    most: int,
) -> npt.NDArray[np.uint8]:
    """The heads of the answers in front of the MESSAGE rows, one after the other, of at most ``most`` bytes each.

    ``runs``, ``bursts``, ``facts`` and ``messages`` (``counts`` and an end each) are those of the same connections.
    Sets the rows' ``head``, as if the first began at 0, and ``head_length``.
    """
    wanted = np.minimum(messages["expect"], most)
    rows = np.flatnonzero(wanted)
    parts = np.zeros(len(rows), _PART)
    parts["start"], parts["size"] = _starts(messages, counts)[rows], wanted[rows]
    parts["room"] = np.cumsum(parts["size"]) - parts["size"]
    of_connection = np.add.reduceat(wanted > 0, np.cumsum(counts + 1) - (counts + 1), dtype=np.int64)
    room = np.zeros(int(wanted.sum()), np.uint8)
    filled = np.zeros(len(room), np.bool_)
    for index, data in enumerate(packets.files):
        _fill(data, index, packets.segments, order, runs, bursts, facts, parts, of_connection, room, filled)
        forget(data)
    lengths = np.zeros(len(parts), np.int64)
    _measure(parts, filled, lengths)
    messages["head_length"][rows] = lengths
    messages["head"] = np.cumsum(messages["head_length"], dtype=np.int64) - messages["head_length"]
    return room[filled]


def _starts(messages: Array, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each MESSAGE row, how many server bytes of its session there are in front of the answer to it."""
    heard = messages["expect"] + messages["pushed"]
    before: npt.NDArray[np.int64] = np.cumsum(heard) - heard
    first = np.cumsum(counts + 1) - (counts + 1)
    before -= np.repeat(before[first], counts + 1)
    return before


@kernel
def _measure(parts: Array, filled: npt.NDArray[np.bool_], lengths: npt.NDArray[np.int64]) -> None:
    """How many bytes each PART has up to its first hole; what is behind the hole no longer counts as filled."""
    for j in range(len(parts)):
        room, size = parts["room"][j], parts["size"][j]
        length = 0
        while length < size and filled[room + length]:
            length += 1
        lengths[j] = length
        filled[room + length : room + size] = False


@kernel
def _last_from(parts: Array, first: int, stop: int, offset: int) -> int:
    """The last of the PART rows from ``first`` that does not begin behind ``offset``, or ``first``."""
    low, high = int64(first), int64(stop)
    while high - low > 1:
        middle = (low + high) // 2
        if parts["start"][middle] <= offset:
            low = middle
        else:
            high = middle
    return low


@kernel
def _fill(
    data: Data,
    file: int,
    segments: Array,
    order: npt.NDArray[np.uint32],
    runs: Array,
    bursts: Array,
    facts: Array,
    parts: Array,
    counts: npt.NDArray[np.int64],
    room: npt.NDArray[np.uint8],
    filled: npt.NDArray[np.bool_],
) -> None:
    """Copy what ``file`` has of the PART rows (``counts`` of each connection), where no byte is yet.

    ``stream.follow`` took the same segments for the server's: their numbers are near to where its stream had got.
    """
    burst, part = int64(0), int64(0)
    for c in range(len(runs)):
        burst_stop, part_stop = burst + facts["bursts"][c], part + counts[c]
        base, highest = facts["server_base"][c], int64(0)
        for k in range(runs["first"][c], runs["last"][c] if part < part_stop else runs["first"][c]):
            near = highest
            while burst < burst_stop and bursts["position"][burst] <= k:
                highest += bursts["bytes"][burst]
                burst += 1
            i = int64(order[k])
            flags = int64(segments["flags"][i])
            size = int64(segments["captured"][i])
            if segments["direction"][i] == runs["client"][c] or flags & RST or size == 0:
                continue
            if int64(segments["file"][i]) != file or flags & (SYN | ACK) == SYN:
                continue
            offset = unwrap(int64(segments["seq"][i]) + (1 if flags & SYN else 0), base, near)
            if abs(offset - near) > FARTHEST_SERVER:
                continue
            at = int64(segments["tcp"][i]) + int64(segments["header"][i]) - offset
            stop = offset + min(size, int64(segments["length"][i]))
            j = _last_from(parts, part, part_stop, offset)
            while j < part_stop and parts["start"][j] < stop:
                target = parts["room"][j] - parts["start"][j]
                for byte in range(max(offset, parts["start"][j]), min(stop, parts["start"][j] + parts["size"][j])):
                    if not filled[target + byte]:
                        room[target + byte] = data[at + byte]
                        filled[target + byte] = True
                j += 1
        burst, part = burst_stop, part_stop
