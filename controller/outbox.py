"""What still has to go to one sender: a queue of framed bytes whose memory is bounded.

A sender that reads too slowly loses records, which are counted; it never costs memory, and never holds up others.
"""

from __future__ import annotations

import socket
from collections import deque

import numpy as np

from gryphon.controller import lines
from gryphon.controller.protocol import BATCH_BYTES, HEADER, Frame, ProtocolError
from gryphon.controller.record import Records

LIMIT = 32 << 20
"""Bytes of waiting records: half a second at a million records a second."""
_CONTROL_SPARE = 1 << 20
_OVERHEAD = 256
"""What a queued piece costs beside its bytes: small batches must not get round the limit."""
_VECTORS = 64


class Outbox:
    """Frames waiting for a non-blocking socket; record frames beyond ``limit`` bytes are dropped and counted."""

    def __init__(self, sock: socket.socket, limit: int = LIMIT) -> None:
        self._sock = sock
        self._limit = limit
        self._queue: deque[memoryview] = deque()
        self.size = 0
        """Bytes waiting, with what their bookkeeping costs."""
        self.dropped = 0
        """Records lost because the sender read too slowly."""

    def control(self, frame: bytes) -> None:
        """Queue a control message; ProtocolError when the other side asks much and reads nothing."""
        if self.size + len(frame) > self._limit + _CONTROL_SPARE:
            raise ProtocolError("it asks and asks and reads no answers")
        self._put(memoryview(frame))

    def records(self, records: Records) -> None:
        """Queue a batch, cut into frames; the caller must not change it afterwards."""
        size = records.dtype.itemsize
        most = BATCH_BYTES // size
        for start in range(0, len(records), most):
            part = records[start : start + most]
            length = len(part) * size
            if self.size + length + 2 * _OVERHEAD > self._limit:
                self.dropped += len(part)
                continue
            self._put(memoryview(HEADER.pack(length, Frame.RECORDS)))
            self._put(part.view(np.uint8).data)

    def flush(self) -> bool:
        """Send what the socket takes; True when nothing is left. OSError when the connection is gone."""
        while self._queue:
            sent = lines.transmit(self._sock, [self._queue[i] for i in range(min(_VECTORS, len(self._queue)))])
            if sent is None:
                return False
            self._forget(sent)
        return True

    def _put(self, part: memoryview) -> None:
        self._queue.append(part)
        self.size += len(part) + _OVERHEAD

    def _forget(self, sent: int) -> None:
        self.size -= sent
        while sent:
            first = self._queue[0]
            if sent < len(first):
                self._queue[0] = first[sent:]
                return
            sent -= len(first)
            self.size -= _OVERHEAD
            self._queue.popleft()
