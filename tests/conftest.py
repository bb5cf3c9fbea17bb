"""What every test stands on: scapy builds packets and sends none, hypothesis measures no time."""

from __future__ import annotations

import pytest
from hypothesis import settings
from scapy.config import conf

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
