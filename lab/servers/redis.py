"""redis in the lab, with its own count of connections and commands (INFO)."""

from __future__ import annotations

import contextlib
import re
import socket
from collections import Counter
from types import TracebackType
from typing import NamedTuple

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers.daemon import Daemon
from gryphon.lab.waiting import until

PORT = 6379

# Nothing is written to disk, and nobody is cut off: not the idle, nor a subscriber that has much to read.
_CONFIGURATION = """\
port {port}
bind * -::*
protected-mode no
unixsocket {directory}/socket
dir {directory}
save ""
timeout 0
tcp-backlog 4096
client-output-buffer-limit pubsub 0 0 0
"""


_CONTAINERS = ("client", "config", "pubsub")
"""Commands of which each subcommand is counted for itself."""


class Mark(NamedTuple):
    """A moment in redis's own counting, the lab's questions for it left out."""

    connections: int
    open: int
    calls: Counter[str]


class Served(NamedTuple):
    """What redis counted since a mark."""

    connections: int
    open: int
    """Connections more than at the mark that were still open at the end of the wait."""
    calls: Counter[str]
    """How often each command ran, by its name in lower case ("client|setname")."""


class Redis(Daemon):
    """redis-server on the server host, port 6379 of both IP versions, as a context manager."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "redis")
        self._control: socket.socket | None = None
        self._asked: Counter[str] = Counter()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._control is not None:
            self._control.close()
        super().__exit__(kind, fault, trace)

    def ask(self, *words: str) -> str:
        """The answer to one command of the lab's own; of a bulk string its text, of anything else its line."""
        assert self._control is not None
        name = words[0].lower()
        self._asked[f"{name}|{words[1].lower()}" if name in _CONTAINERS else name] += 1
        self._control.sendall(
            f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%b\r\n" % _bulk(word) for word in words)
        )
        with self._control.makefile("rb") as answer:
            line = answer.readline().decode().strip()
            return answer.read(int(line[1:]) + 2).decode()[:-2] if re.match(r"\$\d", line) else line

    def mark(self) -> Mark:
        """Its counts now."""
        asked = Counter(self._asked)
        found = self.ask("INFO", "all")
        calls = Counter({name: int(count) for name, count in re.findall(r"^cmdstat_(\S+?):calls=(\d+)", found, re.M)})
        open_now = _field(found, "connected_clients") - 1
        return Mark(_field(found, "total_connections_received"), open_now, calls - asked)

    def since(self, mark: Mark, *, patience: float = 10.0) -> Served:
        """What it served since `mark`, once no more connections are open than then.

        It waits for that no longer than `patience` seconds.
        """
        with contextlib.suppress(EnvironmentFault):
            until("redis to see its last connection closed", lambda: self.mark().open <= mark.open, seconds=patience)
        now = self.mark()
        return Served(now.connections - mark.connections, now.open - mark.open, now.calls - mark.calls)

    def subscribers(self) -> int:
        """Connections that have subscribed to one channel by its name, now."""
        return len(re.findall(r" sub=1 ", self.ask("CLIENT", "LIST", "TYPE", "PUBSUB")))

    def _line(self) -> list[str]:
        configuration = self.directory / "redis.conf"
        configuration.write_text(_CONFIGURATION.format(port=PORT, directory=self.directory))
        return [tool("redis-server"), str(configuration)]

    def _answers(self) -> bool:
        asking = socket.socket(socket.AF_UNIX)
        asking.settimeout(10)
        try:
            asking.connect(f"{self.directory}/socket")
        except (FileNotFoundError, ConnectionError):
            asking.close()
            return False
        self._control = asking
        return self.ask("PING") == "+PONG"


def _bulk(word: str) -> tuple[int, bytes]:
    data = word.encode()
    return len(data), data


def _field(text: str, name: str) -> int:
    found = re.search(rf"^{name}:(\d+)", text, re.M)
    assert found is not None, text
    return int(found[1])
