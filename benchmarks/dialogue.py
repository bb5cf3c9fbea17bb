"""One keep-alive session as a capture has it, to be written out many times: `benchmarks.recordings` does.

Taken on the client's side of a path of a few milliseconds: handshake with the options of Linux, requests of varied
sizes, answers in full segments, flight by flight, acknowledged every second segment or after 40 ms, and the
client's FIN. Checksums are 0, as offload leaves them; no reader here looks at them.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

PACKET = np.dtype(
    [
        ("frame", "i8"),  # index into the frames
        ("size", "i8"),  # bytes in the file, with the record header
        ("time_us", "i8"),  # since the session's SYN
        ("from_client", "?"),
        ("seq", "u4"),  # from the sender's initial sequence number
        ("ack", "u4"),  # from the other's
        ("value", "u4"),  # timestamp, in milliseconds since the SYN
        ("echo", "u4"),
    ]
)
"""What differs between the packets of one session, and between two sessions of the same dialogue."""

RECORD, ETHERNET, IP, TCP = 0, 16, 30, 50
"""Where each header begins in a frame, whose first bytes are its record header."""

MSS, SEGMENT = 1460, 1448
SYN, PSH_ACK, ACK, FIN_ACK = 0x02, 0x18, 0x10, 0x11
SMALLEST = 2_000
"""Bytes of a capture that one session takes at least."""

_CLIENT_MAC, _SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
_BETWEEN_US = 12  # full segments at about 1 Gbit/s
_DELAYED_ACK_US = 40_000
_FIRST_FLIGHT = 10


@dataclass
class Dialogue:
    """Built by calling what happens in its order; ``packets`` is the result.

    Attributes:
        frames: each packet's bytes; addresses, ports, numbers and times are still 0.
        rows: for each packet a row of PACKET.
        client: everything the client sends, without headers.
        messages: requests.
    """

    rtt_us: int
    frames: list[bytes] = field(default_factory=list)
    rows: list[tuple[int, int, int, bool, int, int, int, int]] = field(default_factory=list)
    client: bytearray = field(default_factory=bytearray)
    server_bytes: int = 0
    messages: int = 0
    size: int = 0
    now: int = 0
    _next: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    _said: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    _owed: int = 0

    @property
    def packets(self) -> npt.NDArray[np.void]:
        return np.array(self.rows, PACKET)

    def handshake(self) -> None:
        """Three packets, with MSS, SACK permitted, timestamps and window scale."""
        self._packet(True, SYN)
        self.now += self.rtt_us
        self._packet(False, SYN | ACK)
        self.now += 20
        self._packet(True, ACK)
        self.now += 60

    def request(self, data: bytes) -> None:
        """Sent in one write; the server's last answer is acknowledged by it."""
        self._owed = 0
        self._write(True, data)
        self.client += data
        self.messages += 1

    def answer(self, data: bytes, after_us: int) -> None:
        """In flights that double, a round trip apart; the client acknowledges every second segment."""
        self.now += self.rtt_us + after_us
        flight, at = _FIRST_FLIGHT * SEGMENT, 0
        while at < len(data):
            if at:
                self.now += self.rtt_us
            self._write(False, data[at : at + flight], last=at + flight >= len(data))
            at, flight = at + flight, 2 * flight
        self.server_bytes += len(data)

    def think(self, pause_us: int) -> None:
        """A pause, in which the last segment is acknowledged if it is long enough."""
        if self._owed and pause_us > _DELAYED_ACK_US:
            self.now += _DELAYED_ACK_US
            self._acknowledge()
            pause_us -= _DELAYED_ACK_US
        self.now += pause_us

    def close(self) -> None:
        """The client first."""
        self._packet(True, FIN_ACK)
        self.now += self.rtt_us
        self._packet(False, FIN_ACK)
        self.now += 20
        self._packet(True, ACK)

    def _write(self, from_client: bool, data: bytes, last: bool = True) -> None:
        for at in range(0, len(data), SEGMENT):
            end = last and at + SEGMENT >= len(data)
            self._packet(from_client, PSH_ACK if end else ACK, data[at : at + SEGMENT])
            if not from_client:
                self._owed += 1
                if self._owed == 2:
                    self._acknowledge()
            self.now += _BETWEEN_US

    def _acknowledge(self) -> None:
        self.now += 3
        self._packet(True, ACK)
        self._owed = 0

    def _packet(self, from_client: bool, flags: int, data: bytes = b"") -> None:
        header = b"\x01\x01\x08\x0a" + bytes(8)
        if flags & SYN:
            header = struct.pack("!BBH", 2, 4, MSS) + b"\x04\x02\x08\x0a" + bytes(8) + b"\x01\x03\x03\x07"
        macs = _SERVER_MAC + _CLIENT_MAC if from_client else _CLIENT_MAC + _SERVER_MAC
        length = 40 + len(header) + len(data)
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, length, 0, 0x4000, 64, 6, 0, 0, 0)
        ack = 0 if flags == SYN else self._next[not from_client]
        tcp = struct.pack("!HHIIBBHHH", 0, 0, 0, 0, (20 + len(header)) << 2, flags, 64240 if flags & SYN else 502, 0, 0)
        record = struct.pack("<IIII", 0, 0, 14 + length, 14 + length)
        frame = record + macs + b"\x08\x00" + ip + tcp + header + data
        value = self.now // 1000
        numbers = (self._next[from_client], ack, value, self._said[not from_client])
        self.rows.append((len(self.frames), len(frame), self.now, from_client, *numbers))
        self.frames.append(frame)
        self._said[from_client] = value
        self._next[from_client] += len(data) + (flags in (SYN, SYN | ACK, FIN_ACK))
        self.size += len(frame)


def converse(draw: random.Random, budget: int) -> Dialogue:
    """A session that takes about ``budget`` bytes of a capture: as many requests as fit, at least one."""
    dialogue = Dialogue(rtt_us=draw.randint(2_000, 30_000))
    dialogue.handshake()
    while True:
        dialogue.request(_request(draw))
        room = max(100, int((budget - dialogue.size - 400) * 0.92))
        wanted = min(int(draw.lognormvariate(8.9, 1.0)) + 120, 200_000)
        last = room < 2 * wanted
        dialogue.answer(_answer(draw, room if last else wanted), draw.randint(200, 20_000))
        dialogue.think(draw.choice((500, 20_000, 60_000, 150_000)) + draw.randint(0, 2_000))
        if last:
            dialogue.close()
            return dialogue


def _request(draw: random.Random) -> bytes:
    path = f"/{draw.getrandbits(64):016x}"
    host = f"{path} HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: benchmark\r\nAccept: */*\r\n"
    if draw.random() < 0.1:
        body = draw.randbytes(draw.randint(500, 6_000))
        return f"POST {host}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return f"GET {host}Cookie: {'c' * draw.randint(20, 900)}\r\n\r\n".encode()


def _answer(draw: random.Random, size: int) -> bytes:
    head = "HTTP/1.1 200 OK\r\nServer: example\r\nContent-Length: {:07}\r\n\r\n"
    body = size - len(head.format(0))
    return head.format(body).encode() + draw.randbytes(body)
