"""The three machines, a recording made in them, and runs of the README's commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vagrant.machine import Machine
from vagrant.wire import Wire


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An emulated processor takes its time."""
    for item in items:
        item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def machines() -> dict[str, Machine]:
    if "GRYPHON_SSH" not in os.environ:
        pytest.fail("These tests run in virtual machines: `make test-vagrant`.")
    return {name: Machine(name) for name in ("sender", "server", "assistant")}


@pytest.fixture
def sender(machines: dict[str, Machine]) -> Machine:
    return machines["sender"]


@pytest.fixture
def server(machines: dict[str, Machine]) -> Machine:
    return machines["server"]


@pytest.fixture
def assistant(machines: dict[str, Machine]) -> Machine:
    return machines["assistant"]


@pytest.fixture
def wire(machines: dict[str, Machine], tmp_path: Path) -> Wire:
    """Captures of what goes to forged addresses during the test."""
    return Wire(machines, tmp_path)


def _record(machines: dict[str, Machine], name: str, *urls: str) -> str:
    """tcpdump's file of three visits by curl."""
    return record(machines, name, 80, "curl -gsS " + " ".join(f"-o /dev/null {url}" for url in urls))


def record(machines: dict[str, Machine], name: str, port: int, client: str) -> str:
    """tcpdump's file of a client that runs three times, carried to the sender as the README says."""
    server, sender = machines["server"], machines["sender"]
    server.run(f"sudo rm -f /tmp/{name}")
    with server.running(f"tcpdump -i eth1 -U --immediate-mode tcp port {port} -s 0 -w /tmp/{name}") as tcpdump:
        tcpdump.wait_for("listening on")
        for _ in range(3):
            sender.run(client)
        tcpdump.signal("INT")
        tcpdump.wait_for(r"packets captured")
        tcpdump.wait()
    sender.write(name, server.run(f"base64 /tmp/{name}"))
    sender.run(f"sudo sh -c 'base64 -d {name} > {name}.raw && mv {name}.raw {name}'")
    return name


@pytest.fixture(scope="session")
def recording(machines: dict[str, Machine]) -> str:
    """Of three sessions with two requests each, over IPv4, in the sender's home directory."""
    return _record(machines, "xxx.pcap", "http://10.16.15.118/", "http://10.16.15.118/missing")


@pytest.fixture(scope="session")
def recording_v6(machines: dict[str, Machine]) -> str:
    """The same over IPv6."""
    return _record(machines, "six.pcap", "http://[fd16:15::118]/", "http://[fd16:15::118]/missing")


@pytest.fixture(scope="session")
def large(machines: dict[str, Machine]) -> str:
    """Of sessions with one request, whose answer has 300 kB."""
    machines["server"].run("sudo sh -c 'head -c 300000 /dev/zero >/var/www/html/large'")
    return _record(machines, "large.pcap", "http://10.16.15.118/large")
