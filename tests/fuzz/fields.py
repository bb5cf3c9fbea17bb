"""Changes of one packet: its header fields, its length, its options and extension headers."""

from __future__ import annotations

import struct
from random import Random

from tests.fuzz.captures import Packet

_IPV4 = ((0, 1), (1, 1), (2, 2), (4, 2), (6, 2), (6, 1), (8, 1), (9, 1), (12, 4), (16, 4))
_IPV6 = ((0, 1), (0, 4), (4, 2), (6, 1), (7, 1), (8, 4), (20, 4), (24, 4), (36, 4))
_TCP = ((0, 2), (2, 2), (4, 4), (4, 4), (8, 4), (8, 4), (12, 1), (13, 1), (13, 1), (14, 2), (16, 2), (18, 2))

_STEPS = (1, -1, 2, 8, -8, 1460, 1 << 15, 1 << 16, 1 << 26, (1 << 26) + 1, 1 << 30, -(1 << 30), (1 << 30) + 1, 1 << 31)
_PROTOCOLS = (0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 135, 137)
_FLAGS = (0, 1, 2, 4, 16, 17, 18, 20, 24, 25, 41, 0x3F, 0xFF)
_OPTIONS = (
    b"\x02\x04\x05\xb4",
    b"\x02\x04\x00\x00",
    b"\x02\x04\xff\xff",
    b"\x03\x03\x0e\x01",
    b"\x03\x03\xff\x01",
    b"\x04\x02\x05\x0a",
    b"\x08\x0a" + bytes(10),
    b"\x02\x00\x00\x00",
    b"\x01\x01\x01\x02",
    b"\xfe\xff\x00\x00",
)


def value(rng: Random, size: int, now: int) -> int:
    """A number of ``size`` bytes that is likely to matter; ``now`` is what stands there."""
    bits = 8 * size
    pick = rng.randrange(5)
    if pick == 0:
        new = now + rng.choice(_STEPS)
    elif pick == 1:
        new = rng.getrandbits(bits)
    elif pick == 2:
        new = (1 << rng.randrange(bits + 1)) - rng.randrange(3)
    elif pick == 3:
        new = now ^ (1 << rng.randrange(bits))
    else:
        new = rng.randrange(65)
    return new & ((1 << bits) - 1)


def set_number(data: bytearray, at: int, size: int, number: int, order: str = "big") -> None:
    """Write a number where there is room for it."""
    if at >= 0 and at + size <= len(data):
        data[at : at + size] = number.to_bytes(size, order)  # type: ignore[arg-type]


def change(rng: Random, data: bytearray, at: int, size: int, order: str = "big") -> None:
    """Change a field in place."""
    if at >= 0 and at + size <= len(data):
        now = int.from_bytes(data[at : at + size], order)  # type: ignore[arg-type]
        set_number(data, at, size, value(rng, size, now), order)


def transport(packet: Packet) -> int:
    """Offset of the header behind the last IP header, as far as that makes sense."""
    frame, at = packet.frame, packet.inner
    if at >= len(frame):
        return at
    return at + (40 if frame[at] >> 4 == 6 else (frame[at] & 15) * 4)


def ip_field(rng: Random, packet: Packet) -> None:
    at = packet.inner if rng.random() < 0.6 else packet.outer
    if at >= len(packet.frame):
        return
    six = packet.frame[at] >> 4 == 6
    where, size = rng.choice(_IPV6 if six else _IPV4)
    if (six and where == 6) or (not six and where == 9):
        set_number(packet.frame, at + where, 1, rng.choice(_PROTOCOLS))
    else:
        change(rng, packet.frame, at + where, size)


def tcp_field(rng: Random, packet: Packet) -> None:
    where, size = rng.choice(_TCP)
    if where == 13 and rng.random() < 0.8:
        set_number(packet.frame, transport(packet) + 13, 1, rng.choice(_FLAGS))
    else:
        change(rng, packet.frame, transport(packet) + where, size)


def poke(rng: Random, packet: Packet) -> None:
    """Change one byte or a few anywhere, mostly in the headers."""
    if packet.frame:
        at = rng.randrange(min(len(packet.frame), rng.choice((16, 60, 100, 1 << 16))))
        change(rng, packet.frame, at, rng.choice((1, 1, 2, 4)))


def cut(rng: Random, packet: Packet) -> None:
    """As a snap length does: the length on the wire stays."""
    packet.original = max(packet.original, len(packet.frame))
    if rng.random() < 0.3:
        packet.original = value(rng, 4, packet.original)
    del packet.frame[rng.randrange(len(packet.frame) + 1) :]


def grow(rng: Random, packet: Packet) -> None:
    packet.frame += rng.randbytes(rng.choice((1, 4, 8, 40, 200)))


def time(rng: Random, packet: Packet) -> None:
    packet.time_ns = max(packet.time_ns + rng.choice((-1, 1)) * (1 << rng.randrange(62)), 0) & ((1 << 63) - 1)


def tcp_options(rng: Random, packet: Packet) -> None:
    """Put options into the header, with its offset and the IP length to match."""
    at = transport(packet)
    if at + 20 > len(packet.frame):
        return
    more = b"".join(rng.choice(_OPTIONS) for _ in range(rng.randrange(1, 4)))
    head = packet.frame[at + 12]
    words = (head >> 4) + len(more) // 4
    if words <= 15:
        packet.frame[at + 12] = words << 4 | (head & 15)
        packet.frame[at + 20 : at + 20] = more
        lengthen(packet, len(more))


def lengthen(packet: Packet, more: int) -> None:
    """Add to the length that the last IP header tells."""
    frame, at = packet.frame, packet.inner
    if at + 20 > len(frame):
        return
    where = at + (4 if frame[at] >> 4 == 6 else 2)
    set_number(frame, where, 2, (int.from_bytes(frame[where : where + 2], "big") + more) & 0xFFFF)


def extension(rng: Random, packet: Packet) -> None:
    """Put extension headers (IPv6) or options (IPv4) behind the last IP header."""
    frame, at = packet.frame, packet.inner
    if at + 40 > len(frame):
        return
    if frame[at] >> 4 == 6:
        kind = rng.choice((0, 43, 44, 51, 60, 60, 135))
        header = struct.pack("!BB", frame[at + 6], rng.choice((0, 0, 0, 1, 255))) + bytes(6)
        if kind == 44:
            header = struct.pack("!BBHI", frame[at + 6], 0, rng.choice((0, 0, 1, 8)), 7)
        frame[at + 6] = kind
        frame[at + 40 : at + 40] = header
        lengthen(packet, len(header))
    elif frame[at] & 15 < 15:
        frame[at] += 1
        frame[at + 20 : at + 20] = rng.choice((b"\x94\x04\0\0", b"\x01\x01\x01\x00", b"\x07\xff\x04\x00"))
        lengthen(packet, 4)


def split_segment(rng: Random, packet: Packet) -> Packet | None:
    """The rest of the segment as one of its own, whose bytes may overlap those of the first; None: no payload."""
    at = transport(packet)
    frame = packet.frame
    if at + 20 >= len(frame):
        return None
    data = at + (frame[at + 12] >> 4) * 4
    if data + 2 > len(frame):
        return None
    where = rng.randrange(data, len(frame))
    second = packet.copy()
    del second.frame[data : max(where - rng.choice((0, 0, 1, 5)), data)]
    gone = len(frame) - len(second.frame)
    seq = int.from_bytes(frame[at + 4 : at + 8], "big")
    set_number(second.frame, at + 4, 4, (seq + gone) & 0xFFFFFFFF)
    lengthen(second, -gone)
    lengthen(packet, where - len(frame))
    del packet.frame[where:]
    return second
