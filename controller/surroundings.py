"""Addresses that a host knows to be somebody else's: gateways, broadcast addresses, neighbours that have answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address, ip_interface
from typing import Any

from gryphon.controller.source import IPAddress

Taken = tuple[IPAddress, str]
"""An address that must not be forged, and whose it is, as a phrase."""

_HEARD = 0x02 | 0x04 | 0x08 | 0x10  # NUD_REACHABLE, STALE, DELAY, PROBE; PERMANENT somebody has entered
_LOCAL_ROUTES = 255  # RT_TABLE_LOCAL, include/uapi/linux/rtnetlink.h: addresses of this host, which have no next hop


def surroundings(host: str = "this host") -> list[Taken]:
    """What this host (this network namespace) knows, beside its own addresses (``policy.own_addresses``).

    Args:
        host: what the phrases call it.
    """
    from pyroute2 import IPRoute  # costs 0.2 s to import

    with closing(IPRoute()) as netlink:
        return [
            *((broadcast, f"a broadcast address of {host}") for broadcast in _broadcasts(netlink)),
            *((gateway, f"a gateway of {host}") for gateway in _gateways(netlink)),
            *_neighbours(netlink, host),
        ]


def _broadcasts(netlink: Any) -> set[IPAddress]:
    """Of each network that it is on the directed broadcast address, and one that was set in its place.

    RFC 919; networks of two addresses have none (RFC 3021).
    """
    found: set[IPAddress] = set()
    for message in netlink.get_addr(family=socket.AF_INET):
        text, named = message.get_attr("IFA_LOCAL"), message.get_attr("IFA_BROADCAST")
        own = ip_interface(f"{text}/{message['prefixlen']}")
        if own.network.prefixlen <= 30 and not own.is_loopback:
            found.update([own.network.broadcast_address, *([ip_address(named)] if named else [])])
    return found


def _gateways(netlink: Any) -> set[IPAddress]:
    """Every next hop of every route."""
    found: set[IPAddress] = set()
    for message in netlink.get_routes():
        if message["table"] != _LOCAL_ROUTES:
            found.update(next_hops(message))
    return found


def next_hops(message: Any) -> Iterator[IPAddress]:
    """The next hops of one route: one, several (RTA_MULTIPATH), or one of the other IP version (RTA_VIA)."""
    for part in (message, *(message.get_attr("RTA_MULTIPATH") or ())):
        gateway, via = part.get_attr("RTA_GATEWAY"), part.get_attr("RTA_VIA")
        text = gateway or (via and via.get("addr"))
        if text:
            yield ip_address(text)


def _neighbours(netlink: Any, host: str) -> Iterator[Taken]:
    """Who has said its hardware address (ARP, NDP); entries made by hand are nobody's word."""
    for message in netlink.get_neighbours():
        text, hardware = message.get_attr("NDA_DST"), message.get_attr("NDA_LLADDR")
        if text and hardware and message["state"] & _HEARD:
            yield ip_address(text), f"a neighbour of {host} ({hardware})"
