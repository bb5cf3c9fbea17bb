"""A WebSocket server in the lab, behind nginx: it echoes, pushes when asked, and counts what it did in a file.

A text that begins with "quiet" has no echo.
"""

from __future__ import annotations

import contextlib
import json
from typing import NamedTuple

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.servers.daemon import Daemon, script
from gryphon.lab.servers.nginx import LIVE
from gryphon.lab.waiting import until

TICKS = 3
"""How many messages a client that says "subscribe" is sent from 1.2 s after it was told "subscribed"."""

# Its counts go to a whole new file each time, that nobody reads half of one.
_SERVER = """\
import asyncio, collections, json, os, sys
import websockets

path, count, ticks = sys.argv[1], sys.argv[2], int(sys.argv[3])
counts = collections.Counter(opened=0, closed=0, received=0, echoed=0, pushed=0, bytes=0)

async def served(peer, *_):
    counts["opened"] += 1
    try:
        async for message in peer:
            counts["received"] += 1
            counts["bytes"] += len(message)
            if message == "subscribe":
                await peer.send("subscribed")
                for number in range(ticks):
                    await asyncio.sleep(1.2 if number == 0 else 0.1)
                    await peer.send(f"tick {number}")
                    counts["pushed"] += 1
            elif message[:5] != "quiet":
                await peer.send(message)
                counts["echoed"] += 1
    finally:
        counts["closed"] += 1

async def report():
    while True:
        with open(count + ".new", "w") as file:
            json.dump(counts, file)
        os.rename(count + ".new", count)
        await asyncio.sleep(0.05)

async def main():
    async with websockets.unix_serve(served, path, ping_interval=None, backlog=4096):
        await report()

asyncio.run(main())
"""


class Mark(NamedTuple):
    """What the server has counted up to a moment, or between two."""

    opened: int
    closed: int
    received: int
    """Messages of clients."""
    echoed: int
    pushed: int
    bytes: int
    """Of the clients' messages."""


class WebSockets(Daemon):
    """The server, on nginx's socket for /live, as a context manager."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "websocket")
        self._count = self.directory / "count"

    def mark(self) -> Mark:
        """Its counts of at most 50 ms ago: wait for what must be in them."""
        return Mark(**json.loads(self._count.read_text()))

    def since(self, mark: Mark, opened: int, *, patience: float = 10.0) -> Mark:
        """What it did since `mark`, once so many connections have been opened and all are closed, or patience ends."""

        def done() -> bool:
            now = self.mark()
            return now.opened >= mark.opened + opened and now.opened == now.closed

        with contextlib.suppress(EnvironmentFault):
            until("the WebSocket server to see its last connection closed", done, seconds=patience)
        return Mark(*(after - before for after, before in zip(self.mark(), mark, strict=True)))

    def _line(self) -> list[str]:
        line = script(self.directory / "server.py", _SERVER)
        return [*line, str(self.lab.directory / LIVE), str(self._count), str(TICKS)]

    def _answers(self) -> bool:
        return self._count.exists()
