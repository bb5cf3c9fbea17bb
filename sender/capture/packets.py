"""Capture files to one list of TCP segments in time order, the first half of loading.

Most packets are decoded where they stand in the map of their file. Those that stand nowhere as a whole, because
they were fragmented or because scapy had to find them, are copied one after the other into one more file that
has no name, as bare IP packets, and are decoded there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.capture import decode, odd
from gryphon.sender.capture.arena import Arena
from gryphon.sender.capture.columns import SEGMENT, Array, Data
from gryphon.sender.capture.copies import Copies
from gryphon.sender.capture.files import BATCH, frames
from gryphon.sender.capture.flows import Flows
from gryphon.sender.capture.fragments import Reassembly
from gryphon.sender.capture.link import LINKS
from gryphon.sender.capture.unpack import Progress, forget, map_file

_log = logging.getLogger(__name__)

_FORGET = 1 << 26
"""Bytes of a map that stay in memory while it is walked."""


@dataclass(frozen=True)
class Packets:
    """The TCP segments of one or more files."""

    segments: Array  # SEGMENT, in time order
    flows: Array  # ENDPOINTS, one row per flow
    files: list[Data]  # what the segments' ``file`` points to
    frames: int  # packets of all files, whatever they are


def read(paths: list[str], progress: Progress | None = None) -> Packets:
    """Walk and decode every file once. InputFault as ``map_file`` and ``frames``, and for unknown link types."""
    if paths.count("-") > 1:
        raise InputFault("standard input (-) can be read only once")
    if len(paths) > _MOST_FILES:
        raise InputFault(f"{len(paths)} capture files: at most {_MOST_FILES} can be one recording")
    maps = [map_file(path, progress) for path in paths]
    reader = _Reader(len(paths), sum(map(len, maps)), progress)
    borders = [0]
    for index, (path, data) in enumerate(zip(paths, maps, strict=True)):
        reader.read(path, data, index)
        borders.append(len(reader.segments))
    copies = [reader.copies.rows()] if len(reader.copies) else []
    return Packets(_in_time_order(reader.segments, borders), reader.flows.rows, maps + copies, reader.frames)


_MOST_FILES = 60_000  # a segment's ``file`` has 16 bits


class _Reader:
    """What grows while files are read."""

    def __init__(self, files: int, size: int, progress: Progress | None) -> None:
        self.segments = Arena(SEGMENT)
        self.copies = Arena(np.uint8)
        self.flows = Flows()
        self.frames = 0
        self._copies_file = files
        self._size, self._done, self._progress = size, 0, progress
        self._batch = decode.Batch(BATCH)

    def read(self, path: str, data: Data, index: int) -> None:
        """Walk a file and decode its packets."""
        counts, reassembly = decode.new_counts(), Reassembly()
        links: set[int] = set()
        forgotten = 0
        for batch in frames(path, data):
            if len(batch) == 0:
                continue
            at = int(batch["offset"][-1])
            if self._progress is not None:
                self._progress(self._done + at, self._size)
            if at - forgotten > _FORGET:
                forgotten = at
                forget(data)
            self.frames += len(batch)
            found = _links(batch["link"])
            links.update(found)
            self._decode(data, index, batch, counts, reassembly, [link for link in found if link not in LINKS])
        forget(data)
        self._done += len(data)
        _check_links(path, links)
        reassembly.finish()
        counts[decode.FRAGMENTS] = reassembly.left
        _warn(path, counts)

    def _decode(
        self,
        data: Data,
        index: int,
        batch: Array,
        counts: npt.NDArray[np.int64],
        reassembly: Reassembly,
        odd_links: list[int],
    ) -> None:
        """Decode a batch of frames, and what stands nowhere as a whole, in the frames' order."""
        room = self._batch
        n, pieces = decode.decode(data, batch, room.segments, room.endpoints, room.owners, room.fragments, counts)
        room.segments["file"][:n] = index
        parts = [(room.segments[:n], room.endpoints[:n], room.owners[:n])]
        copies = Copies()
        for link in odd_links:
            copies.find(link, data, batch, counts)
        copies.join(data, room.fragments[:pieces], reassembly, np.arange(len(batch)))
        while len(copies):
            content, rows = copies.frames()
            inner = decode.Batch(len(rows))
            n, pieces = decode.decode(
                content, rows, inner.segments, inner.endpoints, inner.owners, inner.fragments, counts
            )
            inner.segments["tcp"][:n] += len(self.copies)
            inner.segments["file"][:n] = self._copies_file
            owners = copies.owners()
            parts.append((inner.segments[:n], inner.endpoints[:n], owners[inner.owners[:n]]))
            self.copies.append(content)
            copies = Copies()
            copies.join(content, inner.fragments[:pieces], reassembly, owners)
        segments, endpoints = _by_owner(parts)
        self.flows.number(endpoints, segments, len(segments))
        self.segments.append(segments)


def _by_owner(parts: list[tuple[Array, Array, npt.NDArray[np.int64]]]) -> tuple[Array, Array]:
    """Segments and their endpoints in the order of the frames that they came in."""
    if len(parts) == 1:
        return parts[0][0], parts[0][1]
    order = np.argsort(np.concatenate([owners for _, _, owners in parts]), kind="stable")
    segments = np.concatenate([part for part, _, _ in parts])[order]
    return segments, np.concatenate([part for _, part, _ in parts])[order]


def _links(column: npt.NDArray[np.uint32]) -> list[int]:
    if (column == column[0]).all():
        return [int(column[0])]
    return [int(link) for link in np.unique(column)]


def _check_links(path: str, links: set[int]) -> None:
    unknown = sorted(link for link in links - LINKS.keys() if not odd.readable(link))
    if not unknown:
        return
    names = ", ".join(f"{link}{_NAMES.get(link, '')}" for link in unknown[:_MOST_NAMED])
    if len(unknown) > _MOST_NAMED:
        names += f" and {len(unknown) - _MOST_NAMED} more"
    if links <= set(unknown):
        readable = ", ".join(sorted(set(LINKS.values())))
        raise InputFault(
            f"{path} has link type {names}, which gryphon cannot read; it reads {readable}, Wi-Fi and more"
        )
    _log.warning("%s has packets of link type %s, which are left out", path, names)


_MOST_NAMED = 10

_NAMES = {
    6: " (Token Ring)",
    51: " (PPPoE)",
    105: " (IEEE 802.11)",
    107: " (Frame Relay)",
    127: " (IEEE 802.11 with radiotap)",
    147: " (private use)",
    189: " (USB)",
    192: " (PPI)",
    220: " (Linux USB)",
    249: " (USBPcap)",
}


def _warn(path: str, counts: npt.NDArray[np.int64]) -> None:
    for index, what in (
        (decode.FRAGMENTS, "are IP fragments whose packets never became whole"),
        (decode.SHORT, "have headers that the snap length cut off"),
        (decode.MALFORMED, "have headers that make no sense"),
    ):
        if counts[index]:
            _log.warning("%d packets of %s %s; they are left out", counts[index], path, what)


def _in_time_order(segments: Arena, borders: list[int]) -> Array:
    """The segments of all files. A file's own order is kept, even where its clock was set back."""
    rows = segments.rows()
    parts = [(rows["time_ns"][a:b], a, b) for a, b in pairwise(borders) if a < b]
    if len(parts) < 2:
        return rows
    clocks = [np.maximum.accumulate(times) for times, _, _ in parts]
    if all(before[-1] <= after[0] for before, after in pairwise(clocks)):
        return rows
    begun = sorted(range(len(parts)), key=lambda part: int(parts[part][0][0]))
    order = np.concatenate([np.arange(parts[part][1], parts[part][2]) for part in begun])
    order = order[np.argsort(np.concatenate([clocks[part] for part in begun]), kind="stable")]
    merged = Arena(SEGMENT)
    for start in range(0, len(order), BATCH):
        merged.append(rows[order[start : start + BATCH]])
    return merged.rows()
