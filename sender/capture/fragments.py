"""Fragments of IP packets put together again (RFC 791 3.2, RFC 815, RFC 8200 4.5), as Linux does it.

A repeated fragment adds nothing. One that overlaps others spoils its packet (RFC 5722 for IPv6, and Linux since
4.20 for IPv4), and so does one that another length contradicts.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from gryphon.sender.capture.columns import Array, Data

WITHIN_NS = 30_000_000_000
"""Fragments that come later belong to another packet of the same number (Linux' ipfrag_time)."""

MOST_BYTES = 1 << 22
"""Bytes of fragments that wait for others, as in Linux (ipfrag_high_thresh): the oldest packets make room."""

_COST = 256  # bytes that a packet in waiting costs besides its payload


@dataclass
class _Packet:
    """A packet of which some fragments have come."""

    head: bytes  # its IP header without options or extension headers, lengths not filled in
    since_ns: int
    pieces: dict[int, tuple[int, bytes]] = field(default_factory=dict)  # offset: (length, captured bytes)
    starts: list[int] = field(default_factory=list)  # the offsets, ascending
    total: int = -1  # bytes of payload, known from the last fragment
    came: int = 0
    held: int = _COST

    def add(self, offset: int, length: int, data: bytes, last: bool) -> bool:
        """Take a fragment in; False when it contradicts what came before."""
        known = self.pieces.get(offset)
        if known is not None and known[0] == length:
            return True
        stop = offset + length
        behind = bisect.bisect_left(self.starts, stop)  # pieces do not overlap: only the one before that may
        if behind and self.starts[behind - 1] + self.pieces[self.starts[behind - 1]][0] > offset:
            return False
        if (last and self.total >= 0 and self.total != stop) or (self.total >= 0 and stop > self.total):
            return False
        if last:
            self.total = stop
            if behind < len(self.starts):
                return False
        self.pieces[offset] = (length, data)
        self.starts.insert(behind, offset)
        self.came += length
        self.held += len(data) + 64
        return True

    def whole(self) -> tuple[bytes, int]:
        """The packet as far as it was captured, and its length on the wire."""
        payload = bytearray()
        for offset in self.starts:
            length, data = self.pieces[offset]
            payload += data
            if len(data) < length:
                break
        size = len(self.head) + self.total
        return _with_length(self.head, self.total) + bytes(payload), size


def _with_length(head: bytes, payload: int) -> bytes:
    if head[0] >> 4 == 4:
        return head[:2] + (len(head) + payload).to_bytes(2, "big") + head[4:]
    return head[:4] + payload.to_bytes(2, "big") + head[6:]


class Reassembly:
    """The packets in waiting of one file. ``left`` counts fragments of packets that will never be whole."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, _Packet] = {}
        self._held = 0
        self.left = 0

    def add(self, data: Data, row: Array) -> tuple[bytes, int] | None:
        """Take in a FRAGMENT row; gives the packet and its length on the wire when it was the last one missing."""
        parsed = _parse(bytes(data[row["ip"] : row["end"]]), int(row["payload"]) - int(row["ip"]))
        if parsed is None:
            self.left += 1
            return None
        key, head, offset, last, skip = parsed
        start = int(row["ip"]) + skip
        length = int(row["stop"]) - start
        if length <= 0 or offset + length > 0xFFFF - (20 if head[0] >> 4 == 4 else 0) or (not last and length % 8):
            self.left += 1
            return None
        packet = self._waiting.get(key)
        if packet is not None and row["time_ns"] - packet.since_ns > WITHIN_NS:
            self._drop(key)
            packet = None
        if packet is None:
            packet = self._waiting[key] = _Packet(head, int(row["time_ns"]))
            self._held += packet.held
        before = packet.held
        if not packet.add(offset, length, bytes(data[start : row["end"]]), last):
            self.left += 1
            self._drop(key)
            return None
        self._held += packet.held - before
        if packet.came == packet.total:
            self._held -= packet.held
            del self._waiting[key]
            return packet.whole()
        while self._held > MOST_BYTES:
            self._drop(next(iter(self._waiting)))
        return None

    def finish(self) -> None:
        """The file is over: what waits is left."""
        while self._waiting:
            self._drop(next(iter(self._waiting)))

    def _drop(self, key: bytes) -> None:
        packet = self._waiting.pop(key)
        self._held -= packet.held
        self.left += len(packet.pieces)


def _parse(packet: bytes, at: int) -> tuple[bytes, bytes, int, bool, int] | None:
    """What a fragment says: (key, head, offset, whether it is the last, where its data begins)."""
    if packet[0] >> 4 == 4:
        place = int.from_bytes(packet[6:8], "big")
        key = b"4" + packet[4:6] + packet[9:10] + packet[12:20]
        head = b"\x45" + packet[1:6] + bytes(2) + packet[8:20]
        return key, head, (place & 0x1FFF) * 8, not place & 0x2000, at
    if at + 8 > len(packet):
        return None
    place = int.from_bytes(packet[at + 2 : at + 4], "big")
    key = b"6" + packet[at + 4 : at + 8] + packet[8:40]
    head = packet[:6] + packet[at : at + 1] + packet[7:40]
    return key, head, place & 0xFFF8, not place & 1, at + 8
