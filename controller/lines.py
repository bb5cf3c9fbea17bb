"""Bytes in and out of a connected socket that does not block, plain or TLS.

OpenSSL takes whole records off the wire: what it holds back no selector tells of, so ``pending`` has to be asked. A
write that would block has to be tried again with the same bytes in front, and gathers no pieces by itself.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_RECORD = 16 << 10
"""The largest TLS record's content (RFC 8446, 5.1)."""
_AT_ONCE = 1 << 20
"""Bytes that one call takes from TLS, or gives to it."""


def receive(sock: socket.socket, view: memoryview) -> int | None:
    """Take what is there into ``view``: bytes taken, 0 at the end of the stream, None when there is nothing now."""
    try:
        taken = sock.recv_into(view)
    except WOULD_BLOCK:
        return None
    if not isinstance(sock, ssl.SSLSocket):
        return taken
    most = min(len(view), _AT_ONCE)
    while taken and taken < most and (sock.pending() or sock.gettimeout() == 0.0):
        try:
            more = sock.recv_into(view[taken:])
        except WOULD_BLOCK:
            break
        if not more:  # the end: what came before it counts, the next call tells
            break
        taken += more
    return taken


def transmit(sock: socket.socket, parts: Sequence[memoryview]) -> int | None:
    """Give the pieces to the socket, in order: bytes taken, None when it takes nothing now."""
    try:
        if not isinstance(sock, ssl.SSLSocket):
            return sock.sendmsg(parts)
        return sock.send(_record(parts))
    except WOULD_BLOCK:
        return None


def pending(sock: socket.socket) -> bool:
    """Whether there is something to receive that no selector tells of."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def why(error: OSError) -> str:
    """What was wrong with a connection, for people."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason.replace('_', ' ').lower()}"
    return error.strerror or str(error) or type(error).__name__


def _record(parts: Sequence[memoryview]) -> bytes | memoryview:
    """The first pieces as one record: a header of five bytes by itself would cost as much as a full one."""
    if len(parts[0]) >= _RECORD:
        return parts[0][:_RECORD]
    joined = bytearray()
    for part in parts:
        joined += part[: _RECORD - len(joined)]
        if len(joined) == _RECORD:
            break
    return bytes(joined)
