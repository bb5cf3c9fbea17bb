"""The channel's framing: u32 length (little endian), u8 type, payload; JSON for control, raw records for batches.

The order of a conversation (I = intercept, S = sender):

    S KNOCK    {protocol}                                       in TLS, where the intercept has a certificate
    I HELLO    {protocol, nonce}                                without TLS before the KNOCK has come
    S PROOF    {protocol, nonce, mac}                           auth.py says what the macs cover
    I WELCOME  {mac, gryphon, record, byteorder}                or REFUSAL {reason}
    S REQUEST  {services: [[address, port]], ranges: [network], sample, intent}  intent.py says what it intends
    I GRANT    {generation, services, lease_s, linger_s, intercept, sample, quota}, or REFUSAL {reason}
    then       S PING {sent}, I PONG {sent, received, answered, ...}, I RECORDS, and END {reason} or {clean, how}

Before the proof the intercept says nothing but its protocol's number, and why it sends somebody away. ``record`` is the
size of a record alone. A REQUEST's ``sample`` is the bytes of each answer's payload that the run needs (0 when
missing); a GRANT's is how many follow each record on this channel: those needed, rounded up to a multiple of 8.
"""

from __future__ import annotations

import contextlib
import enum
import json
import socket
import struct
from collections.abc import Generator
from typing import Any

from gryphon.controller import lines

PROTOCOL = 3
DEFAULT_PORT = 36524
"""That of the original's intercept."""
HEADER = struct.Struct("<IB")
GREETING_LIMIT = 1024
"""Bytes of a payload before the other side has shown that it knows the token."""
CONTROL_LIMIT = 64 << 10
"""Bytes of a control message: room for a request of hundreds of services and ranges."""
BATCH_BYTES = 256 << 10
"""Of one RECORDS frame at most: 4096 records without samples."""


class Frame(enum.IntEnum):
    """Types of a frame."""

    HELLO = 1
    PROOF = 2
    WELCOME = 3
    REQUEST = 4
    GRANT = 5
    REFUSAL = 6
    PING = 7
    PONG = 8
    END = 9
    RECORDS = 10
    KNOCK = 11


class ProtocolError(Exception):
    """The other side does not speak the protocol; the text says what was seen."""


class WrongLine(ProtocolError):
    """It may speak it, but speaks TLS where there is none, or none where there is; the text says what to do."""


def pack(kind: Frame, message: dict[str, Any]) -> bytes:
    """One control message, framed."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    return HEADER.pack(len(payload), kind) + payload


def unpack(payload: memoryview) -> dict[str, Any]:
    """The JSON object of a control message; ProtocolError when it is none."""
    try:
        message = json.loads(bytes(payload))
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a control message is not JSON") from error
    if not isinstance(message, dict):
        raise ProtocolError("a control message is not a JSON object")
    return message


class Inbox:
    """Bytes from a socket, cut into frames of at most ``limit`` bytes; ``limit`` may rise up to ``capacity``."""

    def __init__(self, limit: int, capacity: int) -> None:
        self.limit = limit
        self._view = memoryview(bytearray(capacity + HEADER.size))
        self._filled = 0

    def receive(self, sock: socket.socket) -> int | None:
        """Take what the socket has: bytes taken, 0 at the end of the stream, None when there is nothing now.

        Only with room left; there always is after ``frames()`` was exhausted.
        """
        taken = lines.receive(sock, self._view[self._filled :])
        self._filled += taken or 0
        return taken

    def grow(self, limit: int, capacity: int) -> None:
        """Room for longer frames; what has come in stays. Not within ``frames()``."""
        larger = memoryview(bytearray(capacity + HEADER.size))
        larger[: self._filled] = self._view[: self._filled]
        self._view, self.limit = larger, limit

    def starts_with(self, prefix: bytes) -> bool:
        """Whether this is what has come in and was not taken yet."""
        return bytes(self._view[: min(self._filled, len(prefix))]) == prefix

    def first(self) -> tuple[int, dict[str, Any]] | None:
        """The first whole frame alone, a control message; None while there is none."""
        with contextlib.closing(self.frames()) as frames:
            for kind, payload in frames:
                return kind, unpack(payload)
        return None

    def frames(self) -> Generator[tuple[int, memoryview], None, None]:
        """Each whole frame as (type, payload); a payload is valid until the next one is asked for."""
        start = 0
        try:
            while self._filled - start >= HEADER.size:
                length, kind = HEADER.unpack_from(self._view, start)
                if length > self.limit:
                    raise ProtocolError(f"a message of {length:,} bytes where at most {self.limit:,} are allowed")
                end = start + HEADER.size + length
                if end > self._filled:
                    break
                payload = self._view[start + HEADER.size : end]
                start = end
                yield kind, payload
        finally:
            rest = self._filled - start
            self._view[:rest] = self._view[start : self._filled]
            self._filled = rest
