"""The transmitter past the host's own network stack: whole Ethernet frames to the next hop, through a packet socket."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gryphon.sender.transmit.batch import BatchTransmitter
from gryphon.sender.transmit.ethernet import ether_type, ethernet_header
from gryphon.sender.transmit.hops import Hop
from gryphon.sender.transmit.interface import Target, Targets
from gryphon.sender.transmit.sockets import has_carrier, open_packet


class LinkTransmitter(BatchTransmitter):
    """A ``Transmitter`` over AF_PACKET: no routing, netfilter, conntrack or queueing discipline sees its frames."""

    def __init__(
        self, targets: Targets, payload: npt.NDArray[np.uint8], hops: Sequence[Hop], batch: int = 1024
    ) -> None:
        """Open the socket and load the kernels. Raises ``EnvironmentFault``.

        ``payload`` (u1, contiguous) is the script's arena, ``hops`` has one for each target; ``batch`` is the most
        packets of one system call.
        """
        shared = open_packet()
        self._hops = list(hops)
        super().__init__(targets, payload, batch, lambda version: shared, _names(targets, hops), _fronts(targets, hops))
        self._targets = list(targets)

    def follow(self, hops: Sequence[Hop]) -> None:
        """Send to these hops from now on, one for each target."""
        self._hops = list(hops)
        self._address(_names(self._targets, hops), _fronts(self._targets, hops))

    def _is_cut_off(self, packet: np.void) -> bool:
        """A device without carrier takes no frame (__dev_direct_xmit, net/core/dev.c); a raw packet would be lost."""
        return not has_carrier(next(iter(self._sockets.values())), self._hops[packet["target"]].device)


def _names(targets: Targets, hops: Sequence[Hop]) -> list[bytes]:
    """Which device the kernel hands the frames to each target to; of a VLAN interface itself, which adds its tag."""
    return [_socket_name(target, hop) for target, hop in zip(targets, hops, strict=True)]


def _socket_name(target: Target, hop: Hop) -> bytes:
    """A ``sockaddr_ll`` (packet(7)): the address inside it is for sockets that have no header of their own."""
    family, index = int(socket.AF_PACKET).to_bytes(2, sys.byteorder), hop.index.to_bytes(4, sys.byteorder)
    return family + ether_type(target).to_bytes(2, "big") + index + bytes(12)


def _fronts(targets: Targets, hops: Sequence[Hop]) -> list[bytes]:
    """The Ethernet header to each target."""
    return [ethernet_header(target, hop.source, hop.next_hop) for target, hop in zip(targets, hops, strict=True)]
