"""A server over a fake interception, on loopback, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from fakes import FakeInterception

from gryphon.controller.client import Channel
from gryphon.controller.desk import Limits
from gryphon.controller.policy import Policy
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

    def connect(self, **changes: Any) -> Channel:
        """A channel with the usual service and range, unless told otherwise."""
        wanted: dict[str, Any] = {"token": TOKEN, "services": [SERVICE], "ranges": [RANGE]} | changes
        channel = Channel.connect("127.0.0.1", self.port, **wanted)
        self.channels.append(channel)
        return channel

    def stop(self) -> None:
        """Stop at once and wait for the thread."""
        self.server.stop()
        self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Any]:
    """Starts a server: ``serve(policy=..., limits=..., linger_s=..., interception=...)``."""
    started: list[Running] = []

    def start(
        policy: Policy | None = None,
        limits: Limits | None = None,
        linger_s: float = 600.0,
        interception: FakeInterception | None = None,
    ) -> Running:
        interception = interception or FakeInterception()
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        own = [ip_address("10.16.15.118")]
        server = Server(interception, listener, TOKEN, policy or Policy(), linger_s, limits, lambda: own)
        thread = threading.Thread(target=server.run)
        thread.start()
        started.append(Running(interception, server, port, thread))
        return started[-1]

    yield start
    for running in started:
        for channel in running.channels:
            channel.close()
        running.stop()


@pytest.fixture
def unused_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
