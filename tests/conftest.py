"""What every test stands on: scapy builds packets and sends none, hypothesis measures no time."""

from __future__ import annotations

import os

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
