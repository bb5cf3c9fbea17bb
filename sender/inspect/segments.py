"""The packets of one connection for people: relative sequence numbers, and what each packet repeats or leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ACK, FIN, RST, SYN, Array
from gryphon.sender.capture.load import Examined

_MODULUS = 1 << 32
_NO_SCALE = 255
_HOLES = 256
"""Holes in a stream that are remembered: in a broken capture there are too many to look through."""


@dataclass(frozen=True)
class Packet:
    """One TCP segment; sequence numbers count from the SYN's, as Wireshark's do."""

    time_ns: int
    from_client: bool
    flags: int
    seq: int
    ack: int | None
    length: int
    window: int  # in bytes, scaled
    data: bytes  # captured payload, at most as much as was asked for
    mark: str  # what is unusual about it, or nothing


@dataclass
class _Side:
    """What is known of the stream of one side."""

    base: int  # sequence number of its SYN
    scale: int = _NO_SCALE
    following: int = 0  # relative number behind the highest byte so far
    holes: tuple[tuple[int, int], ...] = ()

    def relative(self, number: int, near: int) -> int:
        """The number from the base on, the closest to ``near``: streams may be longer than 4 GiB."""
        distance = (number - self.base - near) % _MODULUS
        return near + (distance - _MODULUS if distance >= _MODULUS // 2 else distance)

    def take(self, seq: int, length: int, flags: int) -> str:
        """Count a segment in; gives its mark."""
        end = seq + length + bool(flags & SYN) + bool(flags & FIN)
        if flags & RST:
            return ""
        before = self.following
        self.following = max(before, end)
        if seq > before and before:
            self.holes = (*self.holes[-_HOLES:], (before, seq))
            return f"{seq - before:,} bytes missing before"
        if seq == before - 1 and length <= 1 and not flags & (SYN | FIN):
            return "keep-alive"
        if end == seq or seq >= before:
            return ""
        fills = any(start < end and seq < stop for start, stop in self.holes)
        if fills:
            self.holes = tuple(_without(self.holes, seq, end))
            return "out of order"
        return "retransmission" if end <= before else "retransmission and more"


def _without(holes: tuple[tuple[int, int], ...], start: int, end: int) -> Iterator[tuple[int, int]]:
    """What is left of holes when the bytes from start to end have come."""
    for first, last in holes:
        for a, b in ((first, min(last, start)), (max(first, end), last)):
            if a < b:
                yield a, b


def packets(examined: Examined, connection: int, most: int) -> Iterator[Packet]:
    """The packets of a connection in the order of the capture, each with up to ``most`` bytes of payload."""
    run = examined.runs[connection]
    rows = examined.packets.segments[examined.order[run["first"] : run["last"]]]
    client = int(run["client"])
    sides = _sides(rows, client)
    stream = _stream(examined, connection)
    scaled = all(side.scale != _NO_SCALE for side in sides)
    for row in rows:
        mine = 0 if int(row["direction"]) == client else 1
        side, other = sides[mine], sides[1 - mine]
        flags, length = int(row["flags"]), int(row["length"])
        seq = side.relative(int(row["seq"]), side.following)
        mark = side.take(seq, length, flags)
        if mine == 0 and mark.startswith(("retrans", "out of")) and _differs(examined, row, stream, seq):
            mark += ", other content"
        scale = side.scale if scaled and not flags & SYN else 0
        yield Packet(
            time_ns=int(row["time_ns"]),
            from_client=mine == 0,
            flags=flags,
            seq=seq,
            ack=other.relative(int(row["ack"]), other.following) if flags & ACK else None,
            length=length,
            window=int(row["window"]) << scale,
            data=_payload(examined, row, most),
            mark=mark,
        )


def _sides(rows: Array, client: int) -> tuple[_Side, _Side]:
    """The client's and the server's side: their SYN's number, or one less than the first that is known."""
    found = []
    for direction in (client, 1 - client):
        mine = rows[rows["direction"] == direction]
        syns = mine[mine["flags"] & SYN != 0]
        theirs = rows[(rows["direction"] != direction) & (rows["flags"] & ACK != 0)]
        if len(syns):
            found.append(_Side(int(syns["seq"][0]), int(syns["scale"][0])))
        elif len(mine):
            found.append(_Side((int(mine["seq"][0]) - 1) % _MODULUS))
        else:
            found.append(_Side((int(theirs["ack"][0]) - 1) % _MODULUS if len(theirs) else 0))
    return found[0], found[1]


def _stream(examined: Examined, connection: int) -> npt.NDArray[np.uint8]:
    """The client's reassembled stream, nothing where the connection is not replayable."""
    recording = examined.recording
    number = int(recording.connections["session"][connection])
    if number < 0:
        return np.zeros(0, np.uint8)
    session = recording.sessions[number]
    return recording.payload[int(session["payload"]) : int(session["payload"] + session["length"])]


def _payload(examined: Examined, row: np.void, most: int) -> bytes:
    at = int(row["tcp"]) + int(row["header"])
    return examined.packets.files[int(row["file"])][at : at + min(int(row["captured"]), most)].tobytes()


def _differs(examined: Examined, row: np.void, stream: npt.NDArray[np.uint8], seq: int) -> bool:
    """Whether a client segment has other bytes than the stream, which is made of the first copies."""
    offset = seq - 1 + bool(int(row["flags"]) & SYN)
    data = np.frombuffer(_payload(examined, row, int(row["captured"])), np.uint8)[max(0, -offset) :]
    known = stream[max(0, offset) :][: len(data)]
    return not np.array_equal(data[: len(known)], known)
