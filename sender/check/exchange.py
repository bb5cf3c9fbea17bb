"""What canaries and the SYNs before a run have in common on the wire: all packets leave, last answers are read."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.intercepts import Intercepts, wait_for
from gryphon.sender.replay.packet import Packets
from gryphon.sender.transmit.interface import Transmitter

_STUCK_S = 4.0  # a device that takes no packet for so long never will
_LAST_S = 0.05


def send_all(transmitter: Transmitter, packets: Packets) -> None:
    """All of them; a full queue is waited for.

    Raises:
        EnvironmentFault: the device takes none.
    """
    taken, until = 0, time.monotonic() + _STUCK_S
    while taken < len(packets):
        taken += transmitter.send(packets[taken:])
        if taken < len(packets):
            transmitter.wait_writable(0.01)
            if time.monotonic() > until:
                raise EnvironmentFault(f"the device has taken no packet for {_STUCK_S:g} s: is its link up?")


def read_last(sources: Sequence[Intercepts]) -> None:
    """What a server may still say to our resets is read, and so the grants end with nothing under way."""
    until = time.monotonic() + _LAST_S
    while (left := until - time.monotonic()) > 0:
        wait_for([intercept for source in sources for intercept in source.opened], left)
        for source in sources:
            source.read()
