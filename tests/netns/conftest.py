"""Hosts, server and recording that the tests in network namespaces share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

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
