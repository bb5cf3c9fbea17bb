"""Files of megabytes that ask for as much time and memory per byte as a file can, each in its own way.

Mutated seeds are too small to tell a reader of quadratic time from one of linear time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import count, islice

from tests.fuzz.captures import SECTION, block

_SYN, _ACK = 2, 16
_FILE = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)
_SECTION = block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), "<")
_INTERFACE = block(1, struct.pack("<HHI", 101, 0, 0), "<")


def segment(client: int, server: int, ports: tuple[int, int], flags: int, seq: int, data: bytes = b"") -> bytes:
    """A segment in IPv4 with the smallest headers that there are."""
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0, client, server)
    return ip + struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, 1, 0x50, flags, 1000, 0, 0) + data


def _record(n: int, frame: bytes) -> bytes:
    return struct.pack("<IIII", n // 1000, n % 1000, len(frame), len(frame)) + frame


def _enhanced(n: int, frame: bytes) -> bytes:
    return block(6, struct.pack("<IIIII", 0, 0, n, len(frame), len(frame)) + frame, "<")


def _fill(size: int, head: bytes, parts: Iterator[bytes]) -> bytes:
    one = next(parts)
    return b"".join((head, one, *islice(parts, max(size // len(one), 1))))


def _handshake() -> list[bytes]:
    return [
        segment(1, 2, (9, 80), _SYN, 0),
        segment(2, 1, (80, 9), _SYN | _ACK, 0),
        segment(1, 2, (9, 80), _ACK, 1),
    ]


def _opened(size: int, frames: Iterator[bytes]) -> bytes:
    """A connection that goes on with these segments."""
    head = b"".join(_record(n, frame) for n, frame in enumerate(_handshake()))
    return _fill(size, _FILE + head, (_record(n, frame) for n, frame in enumerate(frames, 10)))


def flows(size: int) -> bytes:
    return _fill(size, _FILE, (_record(n, segment(n, 2, (9, 80), _SYN, n)) for n in count(3)))


def connections(size: int) -> bytes:
    """Of one flow."""
    return _fill(size, _FILE, (_record(n, segment(1, 2, (9, 80), _SYN, n)) for n in count()))


def bytes_backwards(size: int) -> bytes:
    """A client's stream in segments of one byte, the last one first."""
    most = size // 57
    return _opened(size, (segment(1, 2, (9, 80), _ACK, most - n, b"x") for n in count()))


def overlaps(size: int) -> bytes:
    """Segments that each begin a byte behind the one before and reach far beyond it."""
    return _opened(size, (segment(1, 2, (9, 80), _ACK, 1 + n, b"x" * 1000) for n in count()))


def messages(size: int) -> bytes:
    """A byte each way, in turn; every client byte may begin something that is looked for."""
    turns = (
        (segment(2, 1, (80, 9), _ACK, 1 + n, b"s"), segment(1, 2, (9, 80), _ACK | 8, 1 + n, b"c\x16"[n % 2 :][:1]))
        for n in count()
    )
    return _opened(size, (frame for turn in turns for frame in turn))


def empty_records(size: int) -> bytes:
    return _fill(size, _FILE, (_record(n, b"") for n in count()))


def interfaces(size: int) -> bytes:
    return _fill(size, _SECTION, (_INTERFACE for _ in count()))


def sections(size: int) -> bytes:
    frame = segment(1, 2, (9, 80), _ACK, 1)
    return _fill(size, b"", (_SECTION + _INTERFACE + _enhanced(n, frame) for n in count()))


def colliding_flows(size: int) -> bytes:
    """Flows that a hash table without a secret keeps in one place: the way back from ``flows._hash``."""

    def stirred(value: int, more: int) -> int:
        value = ((value ^ more) & 0xFFFFFFFF) * 0x45D9F3B3 & 0xFFFFFFFF
        return value ^ (value >> 15)

    start = stirred(0x2545F491, 9 << 16 | 80)
    pairs = ((a, stirred(start, a) ^ 0x12345678) for a in count(1))
    frames = (segment(a, b, (9, 80), _SYN, 1) for a, b in pairs if a < b)
    return _fill(size, _FILE, (_record(n, frame) for n, frame in enumerate(frames)))


def fragments(size: int) -> bytes:
    """Of the smallest size; of each packet all but the last."""
    pieces = 8000

    def fragment(n: int) -> bytes:
        packet, place = divmod(n, pieces)
        head = struct.pack("!BBHHHBBHII", 0x45, 0, 28, packet & 0xFFFF, 0x2000 | place, 64, 6, 0, 1, 2)
        return _record(n, head + bytes(8))

    return _fill(size, _FILE, map(fragment, count()))


def links(size: int) -> bytes:
    """Interfaces of all link types that there are, with a packet each."""

    def pair(n: int) -> bytes:
        described = block(1, struct.pack("<HHI", n & 0xFFFF, 0, 0), "<")
        which = struct.pack("<I", n)
        packet = _enhanced(n, segment(1, 2, (9, 80), _ACK, 1))
        return described + packet[:8] + which + packet[12:]

    return _fill(size, _SECTION, map(pair, range(1 << 30)))


SHAPES: tuple[Callable[[int], bytes], ...] = (
    flows,
    connections,
    bytes_backwards,
    overlaps,
    messages,
    empty_records,
    interfaces,
    sections,
    colliding_flows,
    fragments,
    links,
)
