"""A capture as the fuzzer changes it, packet by packet, and the way to a file and back."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

START_NS = 1_700_000_000_123_456_000

PCAP = {  # magic: (nanoseconds per unit of the fraction, bytes of a record header)
    0xA1B2C3D4: (1000, 16),
    0xA1B23C4D: (1, 16),
    0xA1B2CD34: (1000, 24),
}
SECTION, INTERFACE, OLD_PACKET, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6


@dataclass
class Packet:
    """One frame; ``outer`` and ``inner`` are the offsets of its first and its last IP header."""

    time_ns: int
    frame: bytearray
    link: int
    outer: int
    inner: int
    original: int = 0  # length on the wire where it is more than the frame's

    def copy(self) -> Packet:
        return replace(self, frame=bytearray(self.frame))


@dataclass(frozen=True)
class Style:
    """How the file around the packets looks."""

    pcapng: bool = False
    big: bool = False
    magic: int = 0xA1B23C4D
    resolution: int = 9
    offset_s: int = 0
    block: int = ENHANCED
    snap: int = 0
    extras: tuple[int, ...] = ()  # packets in front of which a block that nobody reads stands
    sections: tuple[int, ...] = ()  # packets in front of which a new section begins

    @property
    def order(self) -> str:
        return ">" if self.big else "<"


@dataclass
class Capture:
    """What a seed is, and what the mutations change."""

    packets: list[Packet]
    style: Style = field(default_factory=Style)

    def copy(self) -> Capture:
        return Capture([packet.copy() for packet in self.packets], self.style)


def chunks(capture: Capture) -> list[bytes]:
    """The file in pieces: headers, records and blocks, each beginning with its own length fields."""
    return list(_pcapng(capture) if capture.style.pcapng else _pcap(capture))


def _pcap(capture: Capture) -> Iterator[bytes]:
    style = capture.style
    link = capture.packets[0].link if capture.packets else 1
    unit, header = PCAP[style.magic]
    yield struct.pack(style.order + "IHHiIII", style.magic, 2, 4, 0, 0, style.snap or 262144, link)
    for packet in capture.packets:
        seconds, rest = divmod(packet.time_ns, 10**9)
        length = max(len(packet.frame), packet.original)
        numbers = (seconds & 0xFFFFFFFF, rest // unit, len(packet.frame), length & 0xFFFFFFFF)
        yield struct.pack(style.order + "IIII", *numbers) + bytes(header - 16) + packet.frame


def block(kind: int, body: bytes, order: str) -> bytes:
    """One pcapng block."""
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def _head(style: Style, links: list[int]) -> Iterator[bytes]:
    order = style.order
    yield block(SECTION, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    options = struct.pack(order + "HHB3x", 9, 1, style.resolution)
    for index, link in enumerate(links):
        offset_s = style.offset_s if index % 2 == 0 else -max(style.offset_s, 1 - (1 << 63))  # clocks that disagree
        offset = struct.pack(order + "HHq", 14, 8, offset_s) + bytes(4)
        yield block(INTERFACE, struct.pack(order + "HHI", link & 0xFFFF, 0, style.snap) + options + offset, order)


def _pcapng(capture: Capture) -> Iterator[bytes]:
    style = capture.style
    links = list(dict.fromkeys(packet.link for packet in capture.packets)) or [1]
    yield from _head(style, links)
    for index, packet in enumerate(capture.packets):
        if index in style.sections:
            yield from _head(style, links)
        if index in style.extras:
            yield block(5, bytes(8), style.order)
        yield _packet_block(packet, links.index(packet.link), style)


def _packet_block(packet: Packet, which: int, style: Style) -> bytes:
    size = len(packet.frame)
    length = max(size, packet.original) & 0xFFFFFFFF
    if style.block == SIMPLE:
        return block(SIMPLE, struct.pack(style.order + "I", length) + packet.frame, style.order)
    first = which << 16 if style.block == OLD_PACKET and style.big else which
    high, low = packet.time_ns >> 32 & 0xFFFFFFFF, packet.time_ns & 0xFFFFFFFF
    head = struct.pack(style.order + "IIIII", first & 0xFFFFFFFF, high, low, size, length)
    return block(style.block, head + packet.frame, style.order)


def parse(data: bytes, most: int = 64) -> Capture | None:
    """The first packets of a capture file, as far as it makes sense; None: none at all."""
    for big in (False, True):
        order = ">" if big else "<"
        magic = struct.unpack_from(order + "I", data)[0] if len(data) >= 24 else 0
        if magic in PCAP:
            return _some(list(_parse_pcap(data, order, magic, most)), Style(False, big, magic))
    if data[:4] == b"\x0a\x0d\x0d\x0a" and len(data) >= 28:
        big = data[8:12] == b"\x1a\x2b\x3c\x4d"
        return _some(list(_parse_pcapng(data, ">" if big else "<", most)), Style(True, big))
    return None


def _some(packets: list[Packet], style: Style) -> Capture | None:
    return Capture(packets, style) if packets else None


def _parse_pcap(data: bytes, order: str, magic: int, most: int) -> Iterator[Packet]:
    unit, header = PCAP[magic]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at = 24
    for _ in range(most):
        if at + header > len(data):
            return
        seconds, fraction, captured, original = struct.unpack_from(order + "IIII", data, at)
        frame = bytearray(data[at + header : at + header + captured])
        yield _found(seconds * 10**9 + fraction * unit, frame, link, original)
        at += header + captured


def _parse_pcapng(data: bytes, order: str, most: int) -> Iterator[Packet]:
    """Enhanced packets of the sections in the first one's byte order; times as if they were nanoseconds."""
    links: list[int] = []
    at = seen = 0
    while at + 12 <= len(data) and seen < most:
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12 or at + size > len(data):
            return
        if kind == SECTION:
            links = []
        elif kind == INTERFACE and size >= 20:
            links.append(struct.unpack_from(order + "H", data, at + 8)[0])
        elif kind == ENHANCED and size >= 32:
            which, high, low, captured, original = struct.unpack_from(order + "IIIII", data, at + 8)
            frame = bytearray(data[at + 28 : at + 28 + min(captured, size - 32)])
            yield _found(high << 32 | low, frame, links[which] if which < len(links) else 1, original)
            seen += 1
        at += size


_LINK_HEADERS: dict[int, int] = {
    0: 4,
    1: 14,
    9: 4,
    12: 0,
    14: 0,
    101: 0,
    104: 4,
    108: 4,
    113: 16,
    228: 0,
    229: 0,
    276: 20,
}


def _found(time_ns: int, frame: bytearray, link: int, original: int) -> Packet:
    at = _LINK_HEADERS.get(link, 14)
    if link == 1:
        while bytes(frame[at - 2 : at]) in (b"\x81\x00", b"\x88\xa8") and at < 40:
            at += 4
    return Packet(time_ns, frame, link, at, at, original)
