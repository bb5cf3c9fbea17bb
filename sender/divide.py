"""Users and forged range in shares, one for each process that replays (``--threads``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from gryphon.controller.errors import InputFault
from gryphon.controller.source import IPNetwork
from gryphon.sender.ranges import Pool


@dataclass(frozen=True)
class Share:
    """Which of the run's users an engine plays: every ``of``-th from ``number`` on, and from which addresses."""

    pool: Pool
    number: int = 0
    of: int = 1


def share_out(pool: Pool, parts: int, users: int) -> list[Share]:
    """Shares as equal as can be; the addresses of each are consecutive.

    A share's networks hold its own addresses and no other's, so that the kernel can tell whose an answer is.

    Raises:
        InputFault: there are fewer addresses, or users, than parts, or a part's users do not fit into it.
    """
    from gryphon.sender.replay.addresses import PORTS

    if parts == 1:
        return [Share(pool)]
    if users < parts:
        raise InputFault(f"--threads {parts}: each needs a user of its own, and -u has {users}")
    if pool.addresses < parts:
        raise InputFault(
            f"--threads {parts}: each needs a forged address of its own, and -c has {pool.addresses}; widen -c"
        )
    total = pool.addresses
    made = [_part(pool, total * part // parts, total * (part + 1) // parts) for part in range(parts)]
    for number, part in enumerate(made):
        here = len(range(number, users, parts))
        if here > part.addresses * PORTS:
            raise InputFault(
                f"--threads {parts}: {here:,} of the {users:,} users do not fit into each thread's "
                f"{part.addresses:,} addresses x {PORTS:,} ports; widen -c"
            )
    return [Share(part, number, parts) for number, part in enumerate(made)]


def _part(pool: Pool, begin: int, end: int) -> Pool:
    """The addresses number ``begin`` to ``end`` of the pool."""
    pieces = list(_pieces(pool, begin, end))
    networks: list[IPNetwork] = []
    for first, count in pieces:
        networks += _networks(pool.version, first, first + count - 1)
    return Pool(tuple(networks), tuple(first for first, _ in pieces), tuple(count for _, count in pieces))


def _pieces(pool: Pool, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Consecutive addresses of the stretch: the first, and how many."""
    before = 0
    for first, count in zip(pool.first, pool.counts, strict=True):
        low, high = max(begin - before, 0), min(end - before, count)
        if low < high:
            yield first + low, high - low
        before += count


def _networks(version: int, first: int, last: int) -> list[IPNetwork]:
    """As few networks as hold these addresses and no others."""
    if version == 4:
        return list(summarize_address_range(IPv4Address(first), IPv4Address(last)))
    return list(summarize_address_range(IPv6Address(first), IPv6Address(last)))
