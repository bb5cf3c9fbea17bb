"""Before a run: whether somebody lives at the forged addresses that lie on a link of this host, where they are few."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from gryphon.controller.source import IPNetwork
from gryphon.sender.check import network
from gryphon.sender.transmit.netlink import Tables


def ask_nearby(networks: Sequence[IPNetwork]) -> None:
    """Have the kernel ask for them (ARP, NDP); who answers is a neighbour from then on, and no range may contain it.

    Takes a second where nobody answers, and nothing where no address, or more than ``network.FEW``, lie on a link.
    """
    from pyroute2 import IPRoute

    with closing(IPRoute()) as netlink:
        network.ask_for_few(netlink, Tables(netlink), networks, network.interfaces(netlink))
