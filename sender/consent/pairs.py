"""Which SYNs show that a run has consent: one for each server and stretch of forged addresses, up to a bound."""

from __future__ import annotations

import random
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from gryphon.controller.source import IPAddress, IPNetwork, Service
from gryphon.sender.ranges import Pool

MOST = 64
"""SYNs before a run at most."""
FIRST_PORT, END_PORT = 61_001, 65_536
"""Their forged ports: no user has one of these (replay/addresses.py), so none meets what a SYN left."""


class Pair(NamedTuple):
    """What one SYN is to show: that answers of a server to a forged address reach the intercept that granted both.

    Attributes:
        number: of the server among the run's services.
        share: of the run's users, which has a grant of its own.
        network: the granted range of the address.
    """

    number: int
    service: Service
    share: int
    network: IPNetwork
    address: IPAddress
    port: int
    isn: int  # initial sequence number


def count_pairs(services: Sequence[Service], pools: Sequence[Pool]) -> tuple[int, int]:
    """How many are tried, and how many there are."""
    pairs = len(services) * sum(len(pool.first) for pool in pools)
    return min(pairs, MOST), pairs


def choose_pairs(services: Sequence[Service], pools: Sequence[Pool], chance: random.Random) -> list[Pair]:
    """Pairs to try, each with an address and a port by chance.

    Args:
        services: the servers under test.
        pools: the forged addresses of each share.
    """
    stretches = [
        (share, first, count)
        for share, pool in enumerate(pools)
        for first, count in zip(pool.first, pool.counts, strict=True)
    ]
    places = spread(len(services), len(stretches), MOST)
    ports = chance.sample(range(FIRST_PORT, END_PORT), len(places))
    pairs = []
    for (server, stretch), port in zip(places, ports, strict=True):
        share, first, count = stretches[stretch]
        address = _address(pools[share].version, first + chance.randrange(count))
        network = next(network for network in pools[share].networks if address in network)
        pairs.append(Pair(server, services[server], share, network, address, port, chance.getrandbits(32)))
    return pairs


def spread(servers: int, stretches: int, most: int) -> list[tuple[int, int]]:
    """All combinations of two numbers; of more than ``most`` so many, each number as often as can be."""
    if servers * stretches <= most:
        return [(server, stretch) for server in range(servers) for stretch in range(stretches)]
    return [(at * servers // most if servers > most else at % servers, at * stretches // most) for at in range(most)]


def _address(version: int, number: int) -> IPAddress:
    return IPv4Address(number) if version == 4 else IPv6Address(number)
