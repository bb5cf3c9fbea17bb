"""The next hop to each target, by the kernel's own tables of routes and neighbours: where frames are addressed to."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Protocol

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.transmit.interface import Target, Targets
from gryphon.sender.transmit.netlink import ETHERNET, FAILED, LOCAL, UNICAST, UP, Link, Neighbour, Route

PATIENCE_S = 3.0
"""How long a neighbour may take to answer: Linux asks three times, a second apart (mcast_solicit, retrans_time)."""


class Hop(NamedTuple):
    """How this host reaches one target by a device: what stands in front of each IP header."""

    device: str  # the interface that routes to the target or was named with -o
    index: int  # type: ignore[assignment]  # interface index frames are handed to (xdp uses `lower`)
    source: bytes  # hardware address of the device, 6 bytes
    next_hop: bytes  # hardware address of the gateway, or of the target itself on the link
    mtu: int
    lower: int  # index of the real device below VLAN interfaces; equals `index` without VLAN
    tags: tuple[tuple[int, int], ...]  # (TPID, TCI) of those VLAN interfaces, outermost first


class Asked(Protocol):
    """What is needed of ``netlink.Tables``."""

    def route(self, address: IPv4Address | IPv6Address, index: int = 0) -> Route:
        """How an address is reached."""

    def link(self, index: int) -> Link:
        """An interface."""

    def neighbour(self, index: int, address: IPv4Address | IPv6Address) -> Neighbour:
        """What is known of a neighbour."""

    def use(self, index: int, address: IPv4Address | IPv6Address) -> None:
        """Have the kernel ask for a neighbour."""


class Way(NamedTuple):
    """The way to one target as far as the routes say it; its neighbour's hardware address is still to be found."""

    target: IPv4Address | IPv6Address
    neighbour: IPv4Address | IPv6Address
    unresolved: Hop  # with no next_hop


def find_ways(tables: Asked, targets: Targets, device: str | None = None) -> list[Way]:
    """Ask the routes about each target; with a ``device``, those by that device alone.

    A target without a route by ``device`` counts as on its link. Raises ``EnvironmentFault``: no route, no such
    device, or one on which no Ethernet frame leaves for the target.
    """
    named = 0 if device is None else _index_of(device)
    return [_way(tables, target, named, device) for target in targets]


def find_hops(
    tables: Asked,
    ways: Sequence[Way],
    wait: Callable[[float], object] = time.sleep,
    patience_s: float = PATIENCE_S,
) -> list[Hop]:
    """The hop of each way; neighbours that the kernel does not know are asked for, all at once.

    Args:
        wait: sleeps until the neighbour table has changed, at most so many seconds.

    Raises:
        EnvironmentFault: a neighbour does not answer within ``patience_s``, or the kernel may not be made to ask.
    """
    until = time.monotonic() + patience_s
    for way in dict.fromkeys(ways):
        if not tables.neighbour(way.unresolved.index, way.neighbour).known:
            _ask_for(tables, way)
    hops = known_hops(tables, ways)
    while None in hops and (left := until - time.monotonic()) > 0:
        missing = ways[hops.index(None)]
        if tables.neighbour(missing.unresolved.index, missing.neighbour).state & FAILED:
            break
        wait(min(left, 0.1))
        hops = known_hops(tables, ways)
    found = [hop for hop in hops if hop is not None]
    if len(found) < len(hops):
        raise _silent(ways[hops.index(None)])
    return found


def known_hops(tables: Asked, ways: Sequence[Way]) -> list[Hop | None]:
    """The hop of each way as the kernel knows it now, None where it does not know the neighbour."""
    hops: list[Hop | None] = []
    for way in ways:
        neighbour = tables.neighbour(way.unresolved.index, way.neighbour)
        hops.append(way.unresolved._replace(next_hop=neighbour.address) if neighbour.known else None)
    return hops


def _index_of(device: str) -> int:
    """The index of an interface by its name."""
    try:
        return socket.if_nametoindex(device)
    except OSError:
        there = ", ".join(sorted(name for _, name in socket.if_nameindex()))
        raise EnvironmentFault(f"there is no interface {device} on this host; there are: {there}") from None


def _way(tables: Asked, target: Target, named: int, device: str | None) -> Way:
    """The way to one target."""
    address = target.address
    scope = address.scope_id if isinstance(address, IPv6Address) else None
    index = named or (_index_of(scope) if scope else 0)
    try:
        route = tables.route(address, index)
    except OSError as error:
        if not index or error.errno != errno.ENETUNREACH:
            advice = "choose another with -o" if index else "add one, or name the interface with -o"
            raise EnvironmentFault(f"this host has no route to {address} ({error.strerror}): {advice}") from error
        route = Route(UNICAST, index, None, 0)  # as for IPv4, where the kernel says so itself
    if route.kind == LOCAL:
        raise EnvironmentFault(f"{address} is this host's own address, no frame leaves for it: use --transmit raw")
    if route.kind != UNICAST:
        raise EnvironmentFault(f"the route to {address} leads to no single host: use --transmit raw")
    return Way(address, route.gateway or address, _unresolved(tables, route, address))


def _unresolved(tables: Asked, route: Route, address: IPv4Address | IPv6Address) -> Hop:
    """The device that a route leads out of, with what lies below it."""
    link = tables.link(route.out)
    if link.type != ETHERNET:
        raise EnvironmentFault(
            f"{link.name}, by which {address} is reached, carries no Ethernet frames (link type {link.type}): "
            "use --transmit raw, or name another interface with -o"
        )
    if not link.flags & UP:
        raise EnvironmentFault(f"{link.name} is down: `ip link set dev {link.name} up`, or name another with -o")
    lower, tags = link, []
    while lower.below:
        tags.append(lower.tag)
        lower = tables.link(lower.below)
    mtu = min(route.mtu or link.mtu, link.mtu)
    return Hop(link.name, link.number, link.address, b"", mtu, lower.number, tuple(reversed(tags)))


def _ask_for(tables: Asked, way: Way) -> None:
    """Have the kernel ask for a neighbour."""
    try:
        tables.use(way.unresolved.index, way.neighbour)
    except PermissionError:
        raise EnvironmentFault(
            f"the hardware address of {_named(way)} is not known, and only CAP_NET_ADMIN may have the kernel ask for "
            f"it: `ping` it just before, or run gryphon with sudo"
        ) from None


def _silent(way: Way) -> EnvironmentFault:
    """Nobody has answered."""
    device = way.unresolved.device
    return EnvironmentFault(
        f"{_named(way)} does not say its hardware address: is it up and on that link? If it never answers such "
        f"questions, enter it: `ip neighbour replace {way.neighbour} lladdr ADDRESS dev {device}`"
    )


def _named(way: Way) -> str:
    """A neighbour as a person would name it."""
    which = "" if way.neighbour == way.target else f", the gateway to {way.target},"
    return f"{way.neighbour}{which} on {way.unresolved.device}"
