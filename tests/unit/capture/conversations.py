"""Conversations written packet by packet, with dpkt, and put into capture files of every kind that is read."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dpkt
import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.recording import Recording

MS = 1_000_000
START_NS = 1_700_000_000_123_456_000
SYN, ACK, PSH, FIN, RST = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK, dpkt.tcp.TH_PUSH, dpkt.tcp.TH_FIN, dpkt.tcp.TH_RST


@dataclass
class Conversation:
    """One TCP connection; ``packets`` are (time_ns, frame) in the order in which they were sent.

    Sequence numbers given to the methods count from the first payload byte of the side that sends.
    """

    client: str = "10.0.0.1"
    server: str = "10.0.0.2"
    client_port: int = 40000
    server_port: int = 80
    client_isn: int = 1000
    server_isn: int = 900_000
    mss: int = 1460
    tags: tuple[int, ...] = ()
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    said: int = 0
    answered: int = 0

    def send(
        self,
        at_ms: float,
        flags: int,
        seq: int,
        ack: int | None,
        data: bytes = b"",
        *,
        from_client: bool = True,
        opts: bytes = b"",
        window: int = 64240,
    ) -> None:
        """Any segment; ``ack`` None: no acknowledgement."""
        mine, theirs = (self.client_isn, self.server_isn) if from_client else (self.server_isn, self.client_isn)
        ports = (self.client_port, self.server_port)
        tcp = dpkt.tcp.TCP(
            sport=ports[not from_client],
            dport=ports[from_client],
            seq=(mine + 1 + seq) % 2**32,
            ack=0 if ack is None else (theirs + 1 + ack) % 2**32,
            flags=flags,
            win=window,
            off=5 + len(opts) // 4,
            opts=opts,
            data=data,
        )
        ends = (self.client, self.server) if from_client else (self.server, self.client)
        self.packets.append((START_NS + round(at_ms * MS), ethernet(internet(*ends, bytes(tcp)), self.tags)))

    def open(self, at_ms: float = 0, rtt_ms: float = 1) -> Conversation:
        """The three packets of the handshake."""
        self.syn(at_ms)
        self.send(at_ms + rtt_ms, SYN | ACK, -1, 0, from_client=False, opts=struct.pack("!BBH", 2, 4, self.mss))
        self.send(at_ms + rtt_ms, ACK, 0, 0)
        return self

    def syn(self, at_ms: float) -> None:
        self.send(at_ms, SYN, -1, None, opts=struct.pack("!BBHBBBB", 2, 4, self.mss, 3, 3, 7, 1))

    def say(self, at_ms: float, data: bytes, flags: int = PSH | ACK) -> None:
        """The next client bytes in one segment."""
        self.send(at_ms, flags, self.said, self.answered, data)
        self.said += len(data)

    def answer(self, at_ms: float, data: bytes, flags: int = PSH | ACK) -> None:
        """The next server bytes in one segment."""
        self.send(at_ms, flags, self.answered, self.said, data, from_client=False)
        self.answered += len(data)

    def close(self, at_ms: float, *, by_client: bool = True) -> None:
        """FIN both ways."""
        first, second = (self.said, self.answered) if by_client else (self.answered, self.said)
        self.send(at_ms, FIN | ACK, first, second, from_client=by_client)
        self.send(at_ms + 1, FIN | ACK, second, first + 1, from_client=not by_client)
        self.send(at_ms + 2, ACK, first + 1, second + 1, from_client=by_client)


def internet(source: str, destination: str, transport: bytes) -> bytes:
    """An IPv4 or IPv6 packet, as the addresses are."""
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if src.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(transport), 1, 0x4000, 64, 6, 0)
    else:
        head = struct.pack("!IHBB", 6 << 28, len(transport), 6, 64)
    return head + src.packed + dst.packed + transport


def ethernet(packet: bytes, tags: tuple[int, ...] = ()) -> bytes:
    """The frame, with a VLAN tag for each tag protocol in ``tags``, padded to the smallest Ethernet frame."""
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    stack = b"".join(struct.pack("!HH", tag, 7) for tag in tags)
    return (bytes(12) + stack + struct.pack("!H", kind) + packet).ljust(60, b"\0")


def bare(conversation: Conversation) -> list[tuple[int, bytes]]:
    """The conversation's IP packets, without Ethernet, its tags and its padding."""
    packets = []
    for time_ns, frame in conversation.packets:
        packet = frame[14 + 4 * len(conversation.tags) :]
        four = packet[0] >> 4 == 4
        size = struct.unpack("!H", packet[2:4])[0] if four else 40 + struct.unpack("!H", packet[4:6])[0]
        packets.append((time_ns, packet[:size]))
    return packets


def write_pcap(
    path: Path,
    packets: list[tuple[int, bytes]],
    *,
    nano: bool = True,
    big: bool = False,
    snap: int = 262144,
    link: int = 1,
) -> str:
    """A classic capture; gives its path as a string."""
    order = ">" if big else "<"
    with path.open("wb") as file:
        file.write(struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link))
        for time_ns, frame in packets:
            seconds, rest = divmod(time_ns, 10**9)
            kept = frame[:snap]
            file.write(struct.pack(order + "IIII", seconds, rest if nano else rest // 1000, len(kept), len(frame)))
            file.write(kept)
    return str(path)


def block(kind: int, body: bytes, order: str) -> bytes:
    """One pcapng block."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str = "<") -> bytes:
    """A pcapng section header."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", *, resolution: int = 9, offset_s: int = 0, link: int = 1, snap: int = 0) -> bytes:
    """A pcapng interface description."""
    options = struct.pack(order + "HHB3x", 9, 1, resolution) + struct.pack(order + "HHq", 14, 8, offset_s) + bytes(4)
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(ticks: int, frame: bytes, order: str = "<", *, which: int = 0) -> bytes:
    """A pcapng enhanced packet block."""
    head = struct.pack(order + "IIIII", which, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame, order)


def write_pcapng(path: Path, packets: list[tuple[int, bytes]], *, big: bool = False) -> str:
    """A pcapng capture of nanoseconds; gives its path as a string."""
    order = ">" if big else "<"
    blocks = [section(order), interface(order), *(enhanced(time_ns, frame, order) for time_ns, frame in packets)]
    path.write_bytes(b"".join(blocks))
    return str(path)


def stream_of(recording: Recording, session: int) -> bytes:
    """The client's stream."""
    row = recording.sessions[session]
    return recording.payload[row["payload"] : row["payload"] + row["length"]].tobytes()


def entries_of(recording: Recording, session: int) -> list[dict[str, int]]:
    """The session's messages and its end, without the heads of their answers."""
    names = [name for name in recording.messages.dtype.names or () if name not in ("head", "head_length")]
    return [{name: int(entry[name]) for name in names} for entry in _rows_of(recording, session)]


def heads_of(recording: Recording, session: int) -> list[bytes]:
    """The first bytes of the answer in front of each of the session's messages and of its end."""
    rows = _rows_of(recording, session)
    return [recording.heads[row["head"] :][: row["head_length"]].tobytes() for row in rows]


def _rows_of(recording: Recording, session: int) -> npt.NDArray[np.void]:
    row = recording.sessions[session]
    first = int(row["first_message"])
    return recording.messages[first : first + int(row["messages"]) + 1]


def texts_of(recording: Recording, session: int) -> list[bytes]:
    """The session's messages as bytes."""
    stream, ends = stream_of(recording, session), [entry["stream_end"] for entry in entries_of(recording, session)]
    return [stream[start:stop] for start, stop in zip([0, *ends], ends[:-1], strict=False)]


def same(one: Recording, other: Recording) -> bool:
    """Whether two recordings tell the same."""
    pairs: list[tuple[Any, Any]] = [
        (one.sessions, other.sessions),
        (one.messages, other.messages),
        (one.payload, other.payload),
        (one.heads, other.heads),
    ]
    return all(np.array_equal(a, b) for a, b in pairs) and one.rejected == other.rejected
