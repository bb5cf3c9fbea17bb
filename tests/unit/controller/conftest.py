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

from gryphon.controller.limits import Limits
from gryphon.controller.policy import Policy
from gryphon.controller.serve import Server
from gryphon.controller.strays import Strays
from gryphon.controller.tls import Identity
from gryphon.lab.certificates import Made, make


@pytest.fixture
def serve() -> Iterator[Any]:
    """Starts a server: ``serve(policy=..., limits=..., linger_s=..., interception=..., watch=..., identity=...)``."""
    started: list[Running] = []

    def start(
        policy: Policy | None = None,
        limits: Limits | None = None,
        linger_s: float = 600.0,
        interception: FakeInterception | None = None,
        watch: Callable[[], None] = lambda: None,
        strays: Strays | None = None,
        identity: Identity | None = None,
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
            identity=identity,
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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """An intercept's, for 127.0.0.1."""
    return make(tmp_path_factory.mktemp("certificate"), "intercept")


@pytest.fixture(scope="session")
def identity(certificate: Made) -> Identity:
    """The same, loaded."""
    return Identity.load(*certificate)
