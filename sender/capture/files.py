"""Capture files to batches of frames: a file's format, its byte order, its sections and interfaces."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from gryphon.controller.errors import InputFault
from gryphon.sender.capture import framing
from gryphon.sender.capture.columns import FRAME, Array, Data

_log = logging.getLogger(__name__)

BATCH = 1 << 12
"""Frames that are walked, decoded and forgotten at once: their headers stay in the processor's cache."""

_PCAP = {  # magic: (nanoseconds per unit of the fraction, bytes of a record header)
    0xA1B2C3D4: (1000, 16),
    0xA1B23C4D: (1, 16),
    0xA1B2CD34: (1000, 24),  # Kuznetzov's variant, which libpcap reads too
}
_BYTE_ORDER = 0x1A2B3C4D

_LOOKS_LIKE = {
    b"PK\x03\x04": "a zip archive",
    b"snoop\0\0\0": "a snoop capture; convert it first (editcap -F pcap)",
    b"\x7fELF": "a program",
    b"<": "XML or HTML",
    b"{": "JSON",
}


def frames(path: str, data: Data) -> Iterator[Array]:
    """Batches of FRAME rows in file order; the memory of a batch is used again for the next.

    A file that ends inside a packet gives what it has and a warning, and so does one that is damaged further
    on. InputFault when it is no capture at all, saying what it looks like.
    """
    magic = bytes(data[:4])
    for big in (False, True):
        number = int.from_bytes(magic, "big" if big else "little")
        if number in _PCAP:
            return _pcap_frames(path, data, big, *_PCAP[number])
    if magic == b"\x0a\x0d\x0d\x0a":
        return _pcapng_frames(path, data)
    raise InputFault(f"{path} is not a pcap or pcapng capture: it {_describe(bytes(data[:16]))}")


def _describe(head: bytes) -> str:
    for start, kind in _LOOKS_LIKE.items():
        if head.startswith(start):
            return f"looks like {kind}"
    if all(9 <= byte <= 13 or 32 <= byte < 127 for byte in head):
        return "looks like text"
    return f"begins with the bytes {head[:4].hex(' ')}"


def _pcap_frames(path: str, data: Data, big: bool, fraction_ns: int, header: int) -> Iterator[Array]:
    if len(data) < 24:
        raise InputFault(f"{path} ends inside its file header: no packet was written to it")
    link = int(framing.word(data, 20, big)) & 0xFFFF  # the upper bits tell of a frame check sequence
    version = int(framing.word(data, 4, big))
    major, minor = (version >> 16, version & 0xFFFF) if big else (version & 0xFFFF, version >> 16)
    lengths = framing.LENGTHS_IN_ORDER
    if major == 543 or (major, minor) < (2, 3):
        lengths = framing.LENGTHS_SWAPPED
    elif (major, minor) == (2, 3):
        lengths = framing.LENGTHS_EITHER_WAY
    batch = np.zeros(BATCH, FRAME)
    at, why, ahead = 24, framing.MORE, 0
    while at < len(data) and why == framing.MORE:
        framing.touch(data, at, at + ahead)
        start = at
        count, at, why = framing.scan_pcap(data, at, big, fraction_ns, header, lengths, link, batch)
        ahead = at - start
        yield batch[:count]
    _warn(path, at, why, len(data))


def _pcapng_frames(path: str, data: Data) -> Iterator[Array]:
    batch = np.zeros(BATCH, FRAME)
    interfaces = np.zeros(0, framing.NETWORK_INTERFACE)
    at, why, big, last_ns, ahead = 0, framing.CONTROL, False, 0, 0
    while at < len(data) and why in (framing.MORE, framing.CONTROL):
        if why == framing.CONTROL:
            at, why, big, interfaces = _control(data, at, big, interfaces)
            if why != framing.MORE:
                break
        framing.touch(data, at, at + ahead)
        start = at
        count, at, why = framing.scan_pcapng(data, at, big, interfaces, last_ns, batch)
        ahead = at - start
        if count:
            last_ns = int(batch["time_ns"][count - 1])
            yield batch[:count]
    _warn(path, at, why, len(data))


def _control(data: Data, at: int, big: bool, interfaces: Array) -> tuple[int, int, bool, Array]:
    """Take in the section or interface block at ``at``; gives what the walk goes on with."""
    if at + 16 > len(data):
        return at, framing.CUT, big, interfaces
    section = bytes(data[at : at + 4]) == b"\x0a\x0d\x0d\x0a"
    if section:
        order = bytes(data[at + 8 : at + 12])
        big = order == _BYTE_ORDER.to_bytes(4, "big")
        if not big and order != _BYTE_ORDER.to_bytes(4, "little"):
            return at, framing.CORRUPT, big, interfaces
        interfaces = interfaces[:0]
    total = int(framing.word(data, at + 4, big))
    if total < (28 if section else 20) or total % 4:
        return at, framing.CORRUPT, big, interfaces
    if at + total > len(data):
        return at, framing.CUT, big, interfaces
    if not section:
        described = _interface(bytes(data[at : at + total]), "big" if big else "little")
        interfaces = _added(interfaces, described)
    return at + total, framing.MORE, big, interfaces


def _added(interfaces: Array, row: Array) -> Array:
    """The rows and one more. Its room doubles, or a file of nothing but interfaces would take days."""
    room = interfaces if interfaces.base is None else interfaces.base
    known = len(interfaces)
    if known == len(room):
        room = np.concatenate([room, np.zeros(known + 8, framing.NETWORK_INTERFACE)])
    room[known] = row[0]
    return room[: known + 1]


def _interface(block: bytes, order: str) -> Array:
    """One NETWORK_INTERFACE row out of an interface description block (draft-ietf-opsawg-pcapng 4.2)."""

    def number(start: int, length: int, signed: bool = False) -> int:
        return int.from_bytes(block[start : start + length], order, signed=signed)  # type: ignore[arg-type]

    resolution, offset_s, at = 6, 0, 16
    while at + 4 <= len(block) - 4:
        code, length = number(at, 2), number(at + 2, 2)
        if code == 0 or at + 4 + length > len(block) - 4:
            break
        if code == 9 and length == 1:
            resolution = block[at + 4]
        elif code == 14 and length == 8:
            offset_s = max(-(1 << 32), min(number(at + 4, 8, signed=True), 1 << 32))
        at += 4 + (length + 3) // 4 * 4
    row = np.zeros(1, framing.NETWORK_INTERFACE)
    row[0] = (offset_s, number(8, 2), number(12, 4), resolution)
    return row


def _warn(path: str, at: int, why: int, size: int) -> None:
    if why == framing.CUT:
        _log.warning("%s ends in the middle of a packet at offset %d: %d bytes are left out", path, at, size - at)
    elif why == framing.CORRUPT:
        _log.warning("%s is damaged at offset %d: what follows, %d bytes, is left out", path, at, size - at)
