"""A socket whose other side is a list of pieces, and a selector that has nothing to wait for."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

NUMBER = 1000


class Wire:
    """Gives the pieces one by one, then its end or silence; keeps what was said to it.

    Args:
        pieces: what comes in.
        ends: whether the stream ends behind them; else there is silence, which is a time-out where the socket blocks.
        room: bytes that it takes at every second try; 0: none any more.
    """

    def __init__(self, pieces: Iterator[bytes], ends: bool = True, room: int = 1 << 30) -> None:
        self._pieces, self._ends, self._room = pieces, ends, room
        self._rest, self._full = b"", False
        self._blocks = False
        self.said = bytearray()
        self.closed = self.over = False
        self.on_said: Callable[[], None] = lambda: None

    def recv_into(self, view: memoryview) -> int:
        if not len(view):
            return 0
        self._rest = self._rest or next(self._pieces, b"")
        if not self._rest:
            self.over = True
            if self._ends:
                return 0
            raise TimeoutError if self._blocks else BlockingIOError
        piece, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(piece)] = piece
        return len(piece)

    def recv(self, size: int) -> bytes:
        return b""

    def send(self, data: bytes) -> int:
        self._full = not self._full and self._room < 1 << 30
        if not self._room or (not self._full and self._room < 1 << 30):
            raise BlockingIOError
        taken = bytes(data[: self._room])
        self.said += taken
        self.on_said()
        return len(taken)

    def sendmsg(self, parts: Any) -> int:
        return self.send(b"".join(parts))

    def sendall(self, data: bytes) -> None:
        self.said += data
        self.on_said()

    def getpeername(self) -> tuple[str, int]:
        return ("192.0.2.7", 4711)

    def fileno(self) -> int:
        return -1 if self.closed else NUMBER

    def settimeout(self, seconds: float | None) -> None:
        self._blocks = seconds != 0

    def gettimeout(self) -> float | None:
        return 1.0 if self._blocks else 0.0

    def setblocking(self, blocks: bool) -> None:
        self._blocks = blocks

    def setsockopt(self, *_: Any) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Listener:
    """Has one connection to accept."""

    def __init__(self, wire: Wire) -> None:
        self._waiting = [wire]

    def accept(self) -> tuple[Wire, tuple[str, int]]:
        if not self._waiting:
            raise BlockingIOError
        wire = self._waiting.pop()
        return wire, wire.getpeername()

    def fileno(self) -> int:
        return NUMBER + 1

    def setblocking(self, blocks: bool) -> None:
        pass

    def close(self) -> None:
        pass


class Key(NamedTuple):
    events: int


class Selector:
    """Knows what is registered."""

    def __init__(self) -> None:
        self.events: dict[int, int] = {}

    def register(self, what: Any, events: int, data: Any = None) -> None:
        assert what.fileno() not in self.events
        assert events in (1, 2, 3)
        self.events[what.fileno()] = events

    def modify(self, what: Any, events: int, data: Any = None) -> None:
        assert events in (1, 2, 3)
        assert what.fileno() in self.events
        self.events[what.fileno()] = events

    def unregister(self, what: Any) -> None:
        del self.events[what.fileno()]

    def get_key(self, what: Any) -> Key:
        return Key(self.events[what.fileno()])


READ = selectors.EVENT_READ
BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
