"""mosquitto in the lab, with its own log of every packet, or only its own counters ($SYS) where there are many."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections import Counter
from types import TracebackType
from typing import NamedTuple, Self

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers.daemon import Daemon
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

PORT = 1883

# Nobody is cut off and no message is dropped for want of room; nothing has to survive the lab.
_CONFIGURATION = """\
listener {port}
allow_anonymous true
user root
persistence false
max_connections -1
max_queued_messages 0
max_inflight_messages 0
max_keepalive 65535
sys_interval 1
log_dest stderr
log_type {log}
connection_messages true
log_timestamp false
"""

_PACKET = re.compile(r"^(Received|Sending) ([A-Z]+)\b(?:.*?, q(\d))?")


class Mark(NamedTuple):
    """A moment in its log."""

    log_end: int


class Served(NamedTuple):
    """What mosquitto logged since a mark."""

    connections: int
    """Clients that it let in."""
    open: int
    """Those that had not ended at the end of the wait."""
    named: int
    """Different ids of clients that named themselves: the broker gave none to them."""
    packets: Counter[str]
    """How often it received and sent what, with the QoS of a publish ("received PUBLISH 1", "sending PUBACK")."""
    complaints: list[str]
    """Every line of a client that did not end with DISCONNECT."""


class Mosquitto(Daemon):
    """mosquitto on the server host, port 1883 of both IP versions, as a context manager.

    Without `counted` it logs no packet, for loads: its own counters must do (`Counters`).
    """

    def __init__(self, lab: Lab, *, counted: bool = True) -> None:
        super().__init__(lab, "mosquitto")
        self._log = "all" if counted else "error"

    def mark(self) -> Mark:
        """Where its log ends now."""
        return Mark(self.output.stat().st_size)

    def since(self, mark: Mark, *, patience: float = 10.0) -> Served:
        """What it logged since `mark`, once every client has gone; it waits for that `patience` seconds."""
        with contextlib.suppress(EnvironmentFault):
            until("mosquitto to see its last client go", lambda: self._logged(mark).open == 0, seconds=patience)
        return self._logged(mark)

    def subscribed(self, mark: Mark) -> int:
        """Subscriptions that it confirmed since `mark`."""
        return self._logged(mark).packets["sending SUBACK"]

    def _logged(self, mark: Mark) -> Served:
        with self.output.open("rb") as log:
            log.seek(mark.log_end)
            lines = log.read().decode().splitlines()
        came = [line for line in lines if line.startswith("New client connected from ")]
        went = [line for line in lines if re.match(r"Client \S+ (disconnected|closed its connection)", line)]
        packets: Counter[str] = Counter()
        for line in lines:
            if found := _PACKET.match(line):
                packets[f"{found[1].lower()} {found[2]}" + (f" {found[3]}" if found[2] == "PUBLISH" else "")] += 1
        ids = {line.partition(" as ")[2].partition(" ")[0] for line in came}
        named = sum(not name.startswith("auto-") for name in ids)
        complaints = [line for line in lines if line.startswith("Client ") and not line.endswith(" disconnected.")]
        return Served(len(came), len(came) - len(went), named, packets, complaints)

    def _line(self) -> list[str]:
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text(_CONFIGURATION.format(port=PORT, log=self._log))
        return [tool("mosquitto"), "-c", str(configuration)]

    def _answers(self) -> bool:
        line = subscribe("-t", "$SYS/broker/version", "-C", "1", "-W", "5", host="127.0.0.1")
        return self.lab.run("server", line, check=False).returncode == 0


class Counters:
    """mosquitto's own counters, as a context manager: a client on the server host subscribes to their topics.

    The broker tells a counter that has changed once a second. The lab's own client is left out of all.
    """

    _TOPICS = ("clients/connected", "subscriptions/count", "publish/messages/received", "publish/messages/sent")

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._output = lab.directory / "mosquitto.counters"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        topics = [word for name in self._TOPICS for word in ("-t", f"$SYS/broker/{name}")]
        with self._output.open("wb") as output:
            line = subscribe("-F", "%t %p", *topics, host="127.0.0.1")
            self._process = self._lab.popen("server", line, stdout=output)
        until("the counters", lambda: self._told() if len(self._told()) == len(self._TOPICS) else None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._lab.end(self._process)

    @property
    def clients(self) -> int:
        """Clients that are connected."""
        return self._told()["clients/connected"] - 1

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all clients."""
        return self._told()["subscriptions/count"] - len(self._TOPICS)

    @property
    def received(self) -> int:
        """Publishes of clients since it started."""
        return self._told()["publish/messages/received"]

    @property
    def sent(self) -> int:
        """Publishes to clients since it started."""
        return self._told()["publish/messages/sent"]

    def _told(self) -> dict[str, int]:
        """The last value of each; of what was sent without what this client had been sent before that value."""
        told = {}
        for before, line in enumerate(self._output.read_text().splitlines(keepends=True)):
            topic, _, value = line.removeprefix("$SYS/broker/").partition(" ")
            if line.endswith("\n"):
                told[topic] = int(value) - (before if topic == "publish/messages/sent" else 0)
        return told


def publish(*options: str, host: str = SERVER_V4) -> list[str]:
    """mosquitto_pub's line; without -i among the options it lets the broker choose its id."""
    return [tool("mosquitto_pub"), "-h", host, *options]


def subscribe(*options: str, host: str = SERVER_V4) -> list[str]:
    """mosquitto_sub's line; without -i among the options it lets the broker choose its id."""
    return [tool("mosquitto_sub"), "-h", host, *options]
