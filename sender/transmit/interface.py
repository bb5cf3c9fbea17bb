"""What every transmitter offers to the engine, and the table of servers that packets point into."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gryphon.sender.replay.packet import Packets


class Target(NamedTuple):
    """One server under test; a packet's ``target`` is its index in the table."""

    address: IPv4Address | IPv6Address
    port: int
    service: int  # index that the intercept gave to it, as it stands in records


Targets = Sequence[Target]
"""The table of servers of one run."""


class SendError(NamedTuple):
    """How often the host refused to send a packet for one reason."""

    packets: int
    example: str  # the first packet that met it, in words


class Transmitter(Protocol):
    """Puts packets on the wire, in order, and never waits unless asked to."""

    def send(self, packets: Packets) -> int:
        """Take packets (dtype ``PACKET``) in order and return how many were taken.

        Fewer than given means back-pressure: the rest is to be offered again, after ``wait_writable``. A packet that
        the host refuses (too big, forbidden, no route) counts as taken and shows up in ``errors``.
        """

    def wait_writable(self, timeout_s: float) -> None:
        """Wait until a short ``send`` is worth another try, at most ``timeout_s`` seconds."""

    def errors(self) -> dict[str, SendError]:
        """Packets refused by the host since the start, by the name of the errno (``EMSGSIZE``)."""

    def refused_rows(self) -> npt.NDArray[np.uint32]:
        """Rows (users) whose packets were refused since the last call, bounded, in order, repeats possible."""

    def close(self) -> None:
        """Let go of every socket; calling it twice does no harm."""
