"""Forged ranges: what ``-c`` says, as networks to ask a grant for and as blocks of addresses for the users."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.controller.forged import objection
from gryphon.controller.source import IPNetwork
from gryphon.controller.surroundings import Taken

MOST_IN_PREFIX = 1 << 32
"""Addresses used of one IPv6 prefix at most: more than any run can fill."""

_MAPPED = 0xFFFF << 32
_WILDCARD = re.compile(r"^(\d+)\.(\d+)\.(\d+)\.[*x]$|^(\d+)\.(\d+)\.\*\.\*$|^(\d+)\.\*\.\*\.\*$")


@dataclass(frozen=True)
class Pool:
    """Forged addresses.

    Attributes:
        networks: what to ask a grant for.
        first: the first address of each usable stretch, as a number.
        counts: how many addresses each stretch has.
    """

    networks: tuple[IPNetwork, ...]
    first: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def addresses(self) -> int:
        """Usable addresses in all."""
        return sum(self.counts)

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.networks[0].version

    def blocks(self) -> npt.NDArray[Any]:
        """The addresses as the engine wants them (dtype ``replay.addresses.BLOCK``)."""
        from gryphon.sender.replay.addresses import BLOCK

        blocks = np.zeros(len(self.first), BLOCK)
        before = 0
        for row, first, count in zip(blocks, self.first, self.counts, strict=True):
            number = first + (_MAPPED if self.version == 4 else 0)
            row["hi"], row["lo"] = number >> 64, number & (1 << 64) - 1
            row["count"], row["before"] = count, before
            before += count
        return blocks


def parse_pool(text: str) -> Pool:
    """``10.17.15.*``, ``10.17.15.x``, ``10.17.0.0/16``, ``fd00:17::/64``, single addresses, or a list with commas.

    Raises:
        InputFault: none of these, overlapping ranges, or both IP versions at once.
    """
    networks = [_network(part.strip()) for part in text.split(",") if part.strip()]
    if not networks:
        raise InputFault("no forged range was given: name one with -c, such as -c '10.17.15.*'")
    if len({network.version for network in networks}) > 1:
        raise InputFault(f"the forged ranges '{text}' mix IPv4 and IPv6: give one version, that of the servers in -x")
    for index, network in enumerate(networks):
        for other in networks[:index]:
            if int(network[0]) <= int(other[-1]) and int(other[0]) <= int(network[-1]):
                raise InputFault(f"the forged ranges {other} and {network} overlap: name every address once")
    usable = [_usable(network) for network in networks]
    return Pool(tuple(networks), tuple(first for first, _ in usable), tuple(count for _, count in usable))


def _network(text: str) -> IPNetwork:
    """One entry of the list."""
    wildcard = _WILDCARD.match(text)
    if wildcard:
        parts = [part for part in wildcard.groups() if part is not None]
        text = ".".join(parts + ["0"] * (4 - len(parts))) + f"/{8 * len(parts)}"
    try:
        return ip_network(text)
    except ValueError as error:
        raise InputFault(
            f"'{text}' is not a forged range ({error}): write 10.17.15.*, 10.17.0.0/16, fd00:17::/64, or a list of them"
        ) from None


def _usable(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    """First usable address and how many: without network and broadcast, or without the subnet-router anycast."""
    first, size = int(network.network_address), network.num_addresses
    if size <= 2:
        return first, size
    if network.version == 4:
        return first + 1, size - 2
    return first + 1, min(size - 1, MOST_IN_PREFIX)


def check_pool(pool: Pool, users: int, taken: Iterable[Taken]) -> None:
    """The users fit, and no address is somebody's or one that nobody may forge.

    Args:
        pool: the forged addresses.
        users: how many must fit.
        taken: addresses that must not be forged, and whose they are.

    Raises:
        InputFault: with the number of users that the pool holds, or the address that lies in it.
    """
    from gryphon.sender.replay.addresses import PORTS

    capacity = pool.addresses * PORTS
    if users > capacity:
        listed = ", ".join(str(network) for network in pool.networks)
        raise InputFault(
            f"{users:,} users do not fit into the forged range {listed}: it holds {capacity:,} "
            f"({pool.addresses:,} address{'' if pool.addresses == 1 else 'es'} x {PORTS:,} ports); widen -c"
        )
    said = objection(pool.networks, taken)
    if said:
        raise InputFault(f"{said}: choose a range of nobody's with -c")
