"""What may stand around an IP packet: link headers, tags, tunnels; and the packet in fragments."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from tests.fuzz.captures import Packet

ETHERNET = 1


def kind_of(packet: bytes | bytearray) -> int:
    """The ethertype of an IP packet."""
    return 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800


def _ethernet(kind: int) -> bytes:
    return bytes(12) + struct.pack("!H", kind)


LINKS: dict[int, Callable[[int], bytes]] = {  # link type: its header in front of a payload of an ethertype
    0: lambda kind: struct.pack("<I", 2 if kind == 0x0800 else 30),
    1: _ethernet,
    9: lambda kind: b"\xff\x03" + (b"\0\x21" if kind == 0x0800 else b"\0\x57"),
    12: lambda kind: b"",
    14: lambda kind: b"",
    50: lambda kind: b"\xff\x03" + (b"\0\x21" if kind == 0x0800 else b"\0\x57"),
    51: lambda kind: _ethernet(0x8864) + b"\x11\0\0\1\0\0" + (b"\0\x21" if kind == 0x0800 else b"\0\x57"),
    101: lambda kind: b"",
    104: lambda kind: b"\x0f\x00" + struct.pack("!H", kind),
    105: lambda kind: b"\x08\x00" + bytes(22) + b"\xaa\xaa\x03\0\0\0" + struct.pack("!H", kind),
    107: lambda kind: b"\x18\x41\x03\x00\x80\0\0\0" + struct.pack("!H", kind),
    108: lambda kind: struct.pack(">I", 2 if kind == 0x0800 else 24),
    113: lambda kind: bytes(14) + struct.pack("!H", kind),
    127: lambda kind: b"\0\0\x08\0\0\0\0\0" + LINKS[105](kind),
    192: lambda kind: b"\0\0\x08\0\1\0\0\0" + _ethernet(kind),
    228: lambda kind: b"",
    229: lambda kind: b"",
    276: lambda kind: struct.pack("!H", kind) + bytes(18),
}

SLOW = (51, 105, 107, 127, 192)
"""Those that no kernel knows: scapy looks into them, or nobody."""

SHIMS: tuple[Callable[[int], tuple[int, bytes]], ...] = (  # ethertype to (ethertype, header): behind Ethernet
    lambda kind: (0x8100, struct.pack("!HH", 7, kind)),
    lambda kind: (0x88A8, struct.pack("!HH", 7, kind)),
    lambda kind: (0x9100, struct.pack("!HH", 7, kind)),
    lambda kind: (0x8847, b"\x00\x01\x01\x40"),
    lambda kind: (0x8847, b"\x00\x01\x00\x40\x00\x02\x01\x40"),
    lambda kind: (0x8848, b"\x00\x01\x01\x40" + bytes(4) + bytes(12) + struct.pack("!H", kind)),
    lambda kind: (0x8864, b"\x11\x00\x00\x01\x00\x40" + (b"\x00\x21" if kind == 0x0800 else b"\x00\x57")),
    lambda kind: (0x88E5, b"\x00\x01" + bytes(12) + struct.pack("!H", kind)),
    lambda kind: (60, b"\xaa\xaa\x03\x00\x00\x00" + struct.pack("!H", kind)),
)


def _udp(port: int, rest: bytes, inner: int) -> bytes:
    return struct.pack("!HHHH", 50000, port, 8 + len(rest) + inner, 0) + rest


TUNNELS: tuple[Callable[[int, int], tuple[int, bytes]], ...] = (  # (ethertype, size) to (IP protocol, header)
    lambda kind, size: (4 if kind == 0x0800 else 41, b""),
    lambda kind, size: (47, struct.pack("!HH", 0, kind)),
    lambda kind, size: (47, struct.pack("!HHIII", 0xB000, kind, 0, 7, 9)),
    lambda kind, size: (47, struct.pack("!HH", 0, 0x6558) + _ethernet(kind)),
    lambda kind, size: (47, struct.pack("!HH", 0, 0x88BE) + _ethernet(kind)),
    lambda kind, size: (47, struct.pack("!HHI", 0x1000, 0x88BE, 1) + b"\x10\1\0\0\0\0\0\0" + _ethernet(kind)),
    lambda kind, size: (47, struct.pack("!HHI", 0x1000, 0x22EB, 1) + b"\x20\1" + bytes(10) + _ethernet(kind)),
    lambda kind, size: (47, struct.pack("!HHHHI", 0x3001, 0x880B, size + 2, 1, 1) + b"\0\x21"),
    lambda kind, size: (17, _udp(4789, b"\x08\0\0\0\0\0\1\0" + _ethernet(kind), size)),
    lambda kind, size: (17, _udp(8472, b"\x08\0\0\0\0\0\1\0" + _ethernet(kind), size)),
    lambda kind, size: (17, _udp(6081, b"\x00\0\x65\x58\0\0\1\0" + _ethernet(kind), size)),
    lambda kind, size: (17, _udp(6081, b"\x02\0" + struct.pack("!H", kind) + b"\0\0\1\0" + bytes(8), size)),
    lambda kind, size: (17, _udp(2152, b"\x30\xff" + struct.pack("!HI", size, 7), size)),
    lambda kind, size: (17, _udp(6635, b"\x00\x01\x01\x40", size)),
)


def relink(packet: Packet, link: int) -> None:
    """Put another link header in front of the first IP header."""
    header = LINKS[link](kind_of(packet.frame[packet.outer : packet.outer + 1]))
    _prefix(packet, header)
    packet.link = link


def _prefix(packet: Packet, header: bytes) -> None:
    more = len(header) - packet.outer
    packet.frame[: packet.outer] = header
    packet.outer += more
    packet.inner += more
    packet.original = max(packet.original + more, 0) if packet.original else 0


def shim(packet: Packet, which: int, link: int = ETHERNET) -> None:
    """Put a tag or label between an Ethernet (or cooked) header and what follows it; may be repeated."""
    if packet.link not in (1, 113, 276) or packet.outer < 14:
        relink(packet, link)
    kind_at = {1: packet.outer - 2, 113: 14}.get(packet.link, 0)
    first = {1: 14, 113: 16, 276: 20}[packet.link]
    at = 12 if packet.link == 1 else kind_at
    kind = int.from_bytes(packet.frame[at : at + 2], "big")
    outer, header = SHIMS[which](kind)
    packet.frame[at : at + 2] = struct.pack("!H", outer)
    packet.frame[first:first] = header
    packet.outer += len(header)
    packet.inner += len(header)


def tunnel(packet: Packet, which: int, family: int) -> None:
    """Put the packet's first IP header, and all behind it, into a tunnel of IPv4 or IPv6."""
    inside = packet.frame[packet.outer :]
    protocol, header = TUNNELS[which](kind_of(inside), len(inside))
    size = len(header) + len(inside)
    if family == 4:
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, (20 + size) & 0xFFFF, 1, 0, 64, protocol, 0, 0xC0000201, 0xC0000202)
    else:
        ip = struct.pack("!IHBB", 6 << 28, size & 0xFFFF, protocol, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
    packet.frame[packet.outer :] = ip + header + inside
    old, packet.inner = packet.outer, packet.inner + len(ip) + len(header)
    _set_kind(packet, old)


def _set_kind(packet: Packet, at: int) -> None:
    """Tell the link header which family of IP follows it, where it stands right in front of it."""
    kind = kind_of(packet.frame[at : at + 1])
    where = {1: at - 2, 104: at - 2, 113: at - 2, 276: 0}.get(packet.link)
    if where is not None and where >= 0:
        packet.frame[where : where + 2] = struct.pack("!H", kind)


def fragments(packet: Packet, rng: Random) -> list[Packet]:
    """The packet in two to four IP fragments, some of which may overlap, repeat or be missing."""
    at = packet.outer if rng.random() < 0.5 else packet.inner
    frame = packet.frame
    if len(frame) < at + 40:
        return [packet]
    six = frame[at] >> 4 == 6
    head = 40 if six else max(20, (frame[at] & 15) * 4)
    body = bytes(frame[at + head :])
    units = len(body) // 8
    borders = sorted({0, *(rng.randrange(units + 1) for _ in range(rng.randrange(1, 4)))})
    made = []
    for n, start in enumerate(borders):
        stop = borders[n + 1] if n + 1 < len(borders) else units + 1
        if rng.random() < 0.2:  # overlaps what follows
            stop += rng.randrange(4)
        more = n + 1 < len(borders)
        made.append(_fragment(packet, at, head, six, start, body[start * 8 : stop * 8], more))
    if rng.random() < 0.3:
        rng.shuffle(made)
    if rng.random() < 0.1:
        made.append(rng.choice(made).copy())
    if rng.random() < 0.1:
        made.pop(rng.randrange(len(made)))
    return made


def _fragment(packet: Packet, at: int, head: int, six: bool, start: int, data: bytes, more: bool) -> Packet:
    ip = bytearray(packet.frame[at : at + head])
    if six:
        ip[4:6] = struct.pack("!H", (8 + len(data)) & 0xFFFF)
        extra = struct.pack("!BBHI", ip[6], 0, (start << 3 | more) & 0xFFFF, 0x1234)
        ip[6] = 44
    else:
        ip[2:4] = struct.pack("!H", (head + len(data)) & 0xFFFF)
        ip[6:8] = struct.pack("!H", (start | more << 13) & 0xFFFF)
        extra = b""
    frame = packet.frame[:at] + ip + extra + data
    return Packet(packet.time_ns, frame, packet.link, packet.outer, packet.inner)
