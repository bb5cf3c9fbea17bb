"""A server over a fake interception, on loopback, in a thread of the test: what tests and fixtures share."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from fakes import FakeInterception

from gryphon.controller.client import Channel
from gryphon.controller.errors import Fault
from gryphon.controller.serve import Server

TOKEN = "the token of these tests"
SERVICE = (ip_address("10.16.15.118"), 80)
RANGE = ip_network("10.17.15.0/24")


@dataclass
class Running:
    """A server in its thread, and the channels opened to it."""

    interception: FakeInterception
    server: Server
    port: int
    thread: threading.Thread
    channels: list[Channel] = field(default_factory=list)
    ended_by: Fault | None = None

    def serve(self) -> None:
        """In the thread."""
        try:
            self.server.run()
        except Fault as fault:
            self.ended_by = fault

    def connect(self, **changes: Any) -> Channel:
        """A channel with the usual service and range, unless told otherwise."""
        wanted: dict[str, Any] = {"token": TOKEN, "services": [SERVICE], "ranges": [RANGE]} | changes
        channel = Channel.connect("127.0.0.1", self.port, **wanted)
        self.channels.append(channel)
        return channel

    def stop(self) -> None:
        """Stop at once and wait for the thread."""
        if self.thread.is_alive():
            self.server._stops += 1  # both stops in one: between two, the server could close what they write to
            with contextlib.suppress(OSError):  # it woke by itself, and has closed it already
                self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
