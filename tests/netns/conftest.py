"""Hosts, server and recording that the tests in network namespaces share."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2.netns import setns

from gryphon.bpf import loader, syscall
from gryphon.controller.errors import EnvironmentFault
from gryphon.lab import needs
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording, record
from gryphon.lab.servers import Nginx


@pytest.fixture(scope="session", autouse=True)
def _machine() -> None:
    """Skips what this machine cannot run, saying what is missing; on a CI machine that is a failure."""
    try:
        needs.check()
    except EnvironmentFault as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def lab(_machine: None) -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def nginx(lab: Lab) -> Iterator[Nginx]:
    with Nginx(lab) as server:
        yield server


@pytest.fixture(scope="module")
def recording(lab: Lab, nginx: Nginx) -> Recording:
    return record(lab, nginx, lab.directory / "recorded.pcap")


@pytest.fixture(scope="module")
def recording_v6(lab: Lab, nginx: Nginx) -> Recording:
    return record(lab, nginx, lab.directory / "recorded6.pcap", version=6)


@pytest.fixture
def taking(lab: Lab) -> Iterator[None]:
    """An XDP program at the server's end, without which (or GRO) a veth takes no frame from XDP."""
    module = loader.compile(Path(loader.__file__).parent / "transmit.bpf.c", {"FRAME_BYTES": 1 << 13, "PLACES": 8})
    program = module.load(syscall.XDP, "passing", "test_passing")
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    setns(lab.namespace("server"))
    try:
        link = syscall.xdp_link(program, socket.if_nametoindex("eth0"), 4)
    finally:
        setns(home)
        os.close(home)
    yield
    os.close(link)
    os.close(program)
    module.close()
