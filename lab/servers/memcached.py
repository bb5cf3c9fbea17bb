"""memcached in the lab, with its own count of connections and commands (stats)."""

from __future__ import annotations

import contextlib
import sys
from typing import NamedTuple

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers.daemon import Daemon
from gryphon.lab.waiting import until

PORT = 11211

_MOST = 4096
"""Connections that it holds open at once."""

# One question a connection, from the server itself: memcached listens on a unix socket or on TCP, never on both.
_ASK = """\
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as asking:
    asking.sendall(sys.argv[2].encode() + b"\\r\\nquit\\r\\n")
    sys.stdout.write(asking.makefile("rb").read().decode())
"""


class Mark(NamedTuple):
    """A moment in memcached's own counting (protocol.txt, general-purpose statistics), the lab's questions left out."""

    connections: int
    gets: int
    hits: int
    sets: int
    increments: int
    deletes: int


class Served(NamedTuple):
    """What memcached counted since a mark."""

    counts: Mark
    open: int
    """Connections that were still open at the end of the wait."""


class Memcached(Daemon):
    """memcached on the server host, TCP port 11211, as a context manager."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "memcached")
        self._asked = 0
        self._idle = 0

    def value(self, key: str) -> str | None:
        """What is stored under a key, None for nothing; this counts as a get."""
        lines = self._ask(f"get {key}").splitlines()
        return lines[1] if len(lines) > 1 else None

    def mark(self) -> Mark:
        """Its counts now."""
        found = self._stats()
        names = ("cmd_get", "get_hits", "cmd_set", "incr_hits", "delete_hits")
        return Mark(found["total_connections"] - self._asked, *(found[name] for name in names))

    def since(self, mark: Mark, *, patience: float = 10.0) -> Served:
        """What it served since `mark`, once every connection is closed; it waits for that `patience` seconds."""
        with contextlib.suppress(EnvironmentFault):
            until("memcached to see its last connection closed", lambda: self._open() == 0, seconds=patience)
        now = self.mark()
        return Served(Mark(*(after - before for after, before in zip(now, mark, strict=True))), self._open())

    def _open(self) -> int:
        return self._stats()["curr_connections"] - self._idle

    def _stats(self) -> dict[str, int]:
        rows = [line.split() for line in self._ask("stats").splitlines()]
        return {row[1]: int(row[2]) for row in rows if len(row) == 3 and row[2].isdigit()}

    def _ask(self, question: str) -> str:
        self._asked += 1
        return self.lab.run("server", [sys.executable, "-c", _ASK, str(PORT), question]).stdout

    def _line(self) -> list[str]:
        # Another user than root would no longer die with the lab's owner.
        return [tool("memcached"), "-u", "root", "-p", str(PORT), "-U", "0", "-c", str(_MOST), "-b", "4096", "-t", "2"]

    def _answers(self) -> bool:
        try:
            self._ask("version")
        except EnvironmentFault:  # not listening yet
            self._asked -= 1
            return False
        self._idle = self._stats()["curr_connections"]
        return True
