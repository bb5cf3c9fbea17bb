"""Capture files to one list of TCP segments in time order, the first half of loading."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.capture import decode
from gryphon.sender.capture.columns import SEGMENT, Array, Data
from gryphon.sender.capture.files import BATCH, forget, frames, map_file
from gryphon.sender.capture.flows import Flows

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


Progress = Callable[[int, int], None]
"""Told the bytes of the files that were read, and how many there are."""


def read(paths: list[str], progress: Progress | None = None) -> Packets:
    """Walk and decode every file once. InputFault as ``map_file`` and ``frames``, and for unknown link types."""
    flows = Flows()
    maps = [map_file(path) for path in paths]
    total = 0
    parts: list[list[Array]] = []
    for index, (path, data) in enumerate(zip(paths, maps, strict=True)):
        counted, part = _read_file(path, data, index, flows)
        total += counted
        parts.append(part)
    return Packets(_in_time_order(parts), flows.rows, maps, total)


def _read_file(path: str, data: Data, index: int, flows: Flows) -> tuple[int, list[Array]]:
    segments, pairs = decode.new_batch(BATCH)
    counts = decode.new_counts()
    total, part = 0, []
    links: set[int] = set()
    forgotten = 0
    for batch in frames(path, data):
        if len(batch) and int(batch["offset"][0]) - forgotten > _FORGET:
            forgotten = int(batch["offset"][0])
            forget(data)
        total += len(batch)
        links.update(_links(batch["link"]))
        found = decode.decode(data, batch, segments, pairs, counts)
        flows.number(pairs, segments, found)
        segments["file"][:found] = index
        part.append(segments[:found].copy())
    _check_links(path, links)
    _warn(path, counts)
    return total, part


def _links(column: npt.NDArray[np.uint32]) -> list[int]:
    if len(column) == 0:
        return []
    if (column == column[0]).all():
        return [int(column[0])]
    return [int(link) for link in np.unique(column)]


def _check_links(path: str, links: set[int]) -> None:
    unknown = sorted(links - decode.LINKS.keys())
    if not unknown:
        return
    names = ", ".join(f"{link}{_NAMES.get(link, '')}" for link in unknown)
    if links <= set(unknown):
        readable = ", ".join(sorted(set(decode.LINKS.values())))
        raise InputFault(f"{path} has link type {names}, which gryphon cannot read; it reads {readable}")
    _log.warning("%s has packets of link type %s, which are left out", path, names)


_NAMES = {
    6: " (Token Ring)",
    9: " (PPP)",
    50: " (PPP over HDLC)",
    51: " (PPPoE)",
    104: " (Cisco HDLC)",
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
        (decode.FRAGMENTS, "are IP fragments"),
        (decode.SHORT, "have headers that the snap length cut off"),
        (decode.MALFORMED, "have headers that make no sense"),
    ):
        if counts[index]:
            _log.warning("%d packets of %s %s and are left out", counts[index], path, what)


def _in_time_order(parts: list[list[Array]]) -> Array:
    """One array out of all files. A file's own order is kept, even where its clock was set back."""
    whole = [np.concatenate(part) if part else np.zeros(0, SEGMENT) for part in parts]
    whole = [part for part in whole if len(part)]
    if not whole:
        return np.zeros(0, SEGMENT)
    if len(whole) == 1:
        return whole[0]
    whole.sort(key=lambda part: int(part["time_ns"][0]))
    clocks = [np.maximum.accumulate(part["time_ns"]) for part in whole]
    merged = np.concatenate(whole)
    if all(before[-1] <= after[0] for before, after in pairwise(clocks)):
        return merged
    return merged[np.argsort(np.concatenate(clocks), kind="stable")]
