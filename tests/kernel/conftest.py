"""What the kernel tests stand on: loaded programs, and network namespaces named gk-* with no way out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosts import Pair
from verdicts import Program


@pytest.fixture(scope="session", autouse=True)
def _privileges(bpf_privileges: None) -> None:
    """Every test here loads programs."""


@pytest.fixture(scope="session", params=["xdp", "tc"])
def _loaded(request: pytest.FixtureRequest) -> Iterator[Program]:
    program = Program(request.param)
    program.register()
    yield program
    program.close()


@pytest.fixture
def program(_loaded: Program) -> Program:
    """The program of each hook in turn, its ring empty and its leases alive."""
    _loaded.lease(3600)
    while len(_loaded.ring.read()):
        pass
    return _loaded


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two hosts joined by a cable, nothing else."""
    with Pair() as hosts:
        yield hosts
