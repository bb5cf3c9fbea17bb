"""The packets of chosen connections to a capture file, one batch after the other, in recorded order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.columns import Array, Data
from gryphon.sender.capture.packets import Packets
from gryphon.sender.capture.unpack import forget
from gryphon.sender.extract import packet
from gryphon.sender.extract.routes import Routes

_SEGMENTS = 1 << 16
"""Segments that are looked at together."""

_ROOM = 1 << 23
"""Bytes of the file that are made together, but for a larger segment."""

_LAST_NS = (1 << 32) * 1_000_000_000
"""Where the seconds of a classic pcap end: in the year 2106."""


def write(packets: Packets, routes: Routes, out: Callable[[Data], None]) -> int:
    """Hand the whole capture file to ``out``, piece by piece; gives how many packets it has.

    InputFault: packets have times that a classic pcap cannot tell.
    """
    out(np.frombuffer(packet.FILE_HEADER, np.uint8))
    # numba compiles a kernel once more for arrays that may be written to, such as those of unpacked files
    files = [_read_only(data) for data in packets.files]
    lengths = np.array([len(data) for data in files], np.int64)
    room = np.empty(2 * _ROOM, np.uint8)
    count = 0
    for start in range(0, len(packets.segments), _SEGMENTS):
        owner = routes.owner[start : start + _SEGMENTS]
        chosen = np.flatnonzero(owner)
        if len(chosen) == 0:
            continue
        rows, owner = packets.segments[start : start + _SEGMENTS][chosen], owner[chosen]
        _check_times(rows)
        _bound_headers(rows, lengths)
        sizes = np.empty(len(rows), np.int64)
        count += packet.measure(rows, owner, routes.rows, sizes)
        for part in _batches(sizes):
            room = room if sizes[part].sum() <= len(room) else np.empty(sizes[part].sum(), np.uint8)
            out(_made(files, rows[part], owner[part], routes.rows, sizes[part], room))
        for file in np.unique(rows["file"]):
            forget(packets.files[file])
    return count


def _read_only(data: Data) -> Data:
    view = data.view()
    view.flags.writeable = False
    return view


def _check_times(rows: Array) -> None:
    if rows["time_ns"].min() < 0 or rows["time_ns"].max() >= _LAST_NS:
        raise InputFault("packets before 1970 or after 2106 cannot be written to a pcap file: correct with editcap -t")


def _bound_headers(rows: Array, lengths: npt.NDArray[np.int64]) -> None:
    """A TCP header whose options the end of the file cut off: nothing is read behind it."""
    behind = rows["tcp"] + rows["header"] - lengths[rows["file"]]
    rows["header_cut"] = np.maximum(rows["header_cut"], np.clip(behind, 0, 255))


def _batches(sizes: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Runs of rows that make about _ROOM bytes, at least one row each."""
    borders = np.flatnonzero(np.diff(np.cumsum(sizes) // _ROOM)) + 1
    edges = [0, *borders.tolist(), len(sizes)]
    for begin, end in pairwise(edges):
        yield slice(begin, end)


def _made(
    files: list[Data],
    rows: Array,
    owner: npt.NDArray[np.uint32],
    routes: Array,
    sizes: npt.NDArray[np.int64],
    room: Data,
) -> Data:
    """What a batch of SEGMENT rows is in the file, made in ``room``."""
    stops = np.cumsum(sizes)
    for file in np.unique(rows["file"]):
        packet.write(files[file], int(file), rows, owner, routes, stops - sizes, room)
    return room[: stops[-1]]
