"""What every test stands on: scapy builds packets and sends none, hypothesis measures no time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from scapy.config import conf

from gryphon.bpf import capabilities, loader
from gryphon.bpf.errors import EnvironmentFault

# what a first call compiles, and a busy machine, say nothing of the code
settings.register_profile("gryphon", deadline=None)
settings.load_profile("gryphon")


@pytest.fixture(autouse=True, scope="session")
def scapy_asks_nobody() -> None:
    """scapy looks up the hardware address of a destination on the network when a frame names none."""
    import scapy.layers.inet6
    import scapy.layers.l2  # noqa: F401

    conf.neighbor.resolvers.clear()
    conf.neighbor.resolve = lambda *_: "02:00:00:00:00:02"


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """A command's log that a test has opened is no later test's, whichever module the worker takes up next."""
    root, ours = logging.getLogger(), logging.getLogger("gryphon")
    before = root.level, list(root.handlers), ours.level, list(ours.handlers), ours.propagate, logging.raiseExceptions
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    ours.setLevel(before[2])
    ours.handlers[:], ours.propagate, logging.raiseExceptions = before[3:]


@pytest.fixture(scope="session")
def bpf_privileges() -> None:
    """Skips where no program can be loaded, naming what is missing; in CI nothing may be missing."""
    try:
        capabilities.require()
        loader.find_bcc()
    except EnvironmentFault as fault:
        if os.environ.get("CI"):
            pytest.fail(str(fault))
        pytest.skip(str(fault))
