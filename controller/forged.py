"""What nobody may forge, whoever allows what: special addresses, and those that are known to be somebody's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network, ip_network

from gryphon.controller.source import IPAddress, IPNetwork
from gryphon.controller.surroundings import Taken

NEVER: tuple[tuple[IPNetwork, str], ...] = tuple(
    (ip_network(text), kind)
    for text, kind in (
        ("0.0.0.0/8", "unspecified addresses"),  # RFC 1122, 3.2.1.3
        ("127.0.0.0/8", "loopback addresses"),
        ("169.254.0.0/16", "link-local addresses"),  # RFC 3927
        ("224.0.0.0/4", "multicast addresses"),  # RFC 1112
        ("255.255.255.255/32", "the broadcast address"),  # RFC 919
        ("::/128", "the unspecified address"),  # RFC 4291, 2.5
        ("::1/128", "the loopback address"),
        ("::ffff:0:0/96", "IPv4 addresses mapped into IPv6"),
        ("fe80::/10", "link-local addresses"),
        ("ff00::/8", "multicast addresses"),
    )
)
"""Source addresses that no host on a network has."""


def objection(ranges: Sequence[IPNetwork], taken: Iterable[Taken]) -> str:
    """Why these ranges must not be forged, as a sentence; empty where nothing is known against them.

    Args:
        taken: addresses, and whose each is.
    """
    for network in ranges:
        for outer, kind in NEVER:
            if overlap(outer, network):
                return f"the forged range {network} contains {kind} ({outer}), which nobody may forge"
    for address, owner in taken:
        holding = _holding(ranges, address)
        if holding is not None:
            return f"the forged range {holding} contains {address}, {owner}"
    return ""


def overlap(one: IPNetwork, other: IPNetwork) -> bool:
    """Whether two networks share an address; those of two IP versions never do."""
    if isinstance(one, IPv6Network):
        return isinstance(other, IPv6Network) and one.overlaps(other)
    return not isinstance(other, IPv6Network) and one.overlaps(other)


def _holding(ranges: Sequence[IPNetwork], address: IPAddress) -> IPNetwork | None:
    return next((network for network in ranges if address in network), None)
