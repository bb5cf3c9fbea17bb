"""Fixtures of the channel's tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from fakes import FakeInterception
from serving import TOKEN, Running

from gryphon.controller.desk import Limits
from gryphon.controller.policy import Policy
from gryphon.controller.serve import Server
from gryphon.controller.strays import Strays


@pytest.fixture
def serve() -> Iterator[Any]:
    """Starts a server: ``serve(policy=..., limits=..., linger_s=..., interception=..., watch=...)``."""
    started: list[Running] = []

    def start(
        policy: Policy | None = None,
        limits: Limits | None = None,
        linger_s: float = 600.0,
        interception: FakeInterception | None = None,
        watch: Callable[[], None] = lambda: None,
        strays: Strays | None = None,
    ) -> Running:
        interception = interception or FakeInterception()
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        own = [ip_address("10.16.15.118")]
        server = Server(
            interception,
            listener,
            TOKEN,
            policy or Policy(),
            linger_s,
            limits,
            lambda: own,
            watch,
            strays=strays,
            others=list,
        )
        running = Running(interception, server, port, threading.Thread(target=lambda: running.serve()))
        running.thread.start()
        started.append(running)
        return running

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
