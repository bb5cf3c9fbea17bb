"""Leases: which sender holds which services and forged ranges, and until when the program drops their answers.

The deadline of a range stands in the kernel's map, and the program checks it by itself. While a sender lives its
ranges' deadline is kept at now + lease + linger, so that even a killed intercept leaks nothing for the linger time;
at the end it becomes now + linger. A service stays registered as long as the ranges that were granted with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gryphon.controller.errors import Fault, GrantRefused
from gryphon.controller.policy import Policy, collapse, contains, show_service
from gryphon.controller.source import IPAddress, IPNetwork, Service

LEASE_S = 10.0
_GENERATIONS = 1 << 16


class HeldRange(Protocol):
    """A range as the kernel's map holds it."""

    @property
    def network(self) -> IPNetwork: ...
    @property
    def generation(self) -> int: ...
    @property
    def deadline_ns(self) -> int: ...


class Registry(Protocol):
    """The part of ``Interception`` that leases stand in."""

    def add_service(self, address: IPAddress, port: int) -> int: ...
    def remove_service(self, index: int) -> None: ...
    def add_range(self, network: IPNetwork, generation: int, deadline_ns: int) -> None: ...
    def renew(self, network: IPNetwork, deadline_ns: int) -> None: ...
    def ranges(self) -> Sequence[HeldRange]: ...


class Held(NamedTuple):
    """Ranges whose deadline still runs, without a sender."""

    networks: list[IPNetwork]
    generation: int
    services: list[int]
    deadline_ns: int


@dataclass
class Lease:
    """What one living sender holds."""

    generation: int
    networks: list[IPNetwork]
    services: list[int]
    name: str
    renewed_ns: int = 0
    inherited: list[IPNetwork] = field(default_factory=list)
    """Smaller ranges of ended leases inside ours: the longest match wins, so they answer to us now."""


class Leases:
    """Grants, renews and ends leases over one interception."""

    def __init__(
        self,
        registry: Registry,
        policy: Policy,
        linger_s: float,
        addresses: Callable[[], Sequence[IPAddress]],
        lease_s: float = LEASE_S,
    ) -> None:
        self._registry = registry
        self._policy = policy
        self._addresses = addresses
        self.linger_ns = int(linger_s * 1e9)
        self.lease_ns = int(lease_s * 1e9)
        self.living: dict[int, Lease] = {}
        self.lingering = [Held([r.network], r.generation, [], r.deadline_ns) for r in registry.ranges()]
        self._last = max((held.generation for held in self.lingering), default=0)

    def grant(
        self,
        services: Sequence[Service],
        ranges: Sequence[IPNetwork],
        name: str,
        peer: IPAddress | None = None,
    ) -> Lease:
        """Give a sender what it asks for; from here on the answers are dropped.

        Raises:
            GrantRefused: something of it is not allowed, not possible, or held by another sender.
        """
        networks = collapse(ranges)
        self._policy.check_services(services)
        self._policy.check_ranges(networks, self._taken(services, peer))
        self._check_free(networks)
        lease = Lease(self._next_generation(), networks, [], name)
        try:
            self._register(lease, services)
        except Fault as fault:
            self._drop_services(lease.services)
            raise GrantRefused(str(fault)) from fault
        self.living[lease.generation] = lease
        return lease

    def renew(self, lease: Lease, now: int) -> None:
        """The sender lives: move its deadline, unless that was done within the last second (nanoseconds)."""
        if now - lease.renewed_ns < 500_000_000:
            return
        lease.renewed_ns = now
        for network in (*lease.networks, *lease.inherited):
            self._registry.renew(network, now + self.lease_ns + self.linger_ns)

    def end(self, lease: Lease, now: int) -> None:
        """The sender is gone: its answers are dropped for the linger time, then pass."""
        del self.living[lease.generation]
        networks = [*lease.networks, *lease.inherited]
        deadline = now + self.linger_ns
        for network in networks:
            self._registry.renew(network, deadline)
        self.lingering.append(Held(networks, lease.generation, lease.services, deadline))
        self.expire(now)

    def expire(self, now: int) -> None:
        """Forget what lingered long enough."""
        for held in self.lingering:
            if held.deadline_ns <= now:
                self._drop_services(held.services)
        self.lingering = [held for held in self.lingering if held.deadline_ns > now]

    def lingers_until(self) -> int:
        """The last deadline (CLOCK_MONOTONIC, nanoseconds) of what lingers; 0 when nothing does."""
        return max((held.deadline_ns for held in self.lingering), default=0)

    def _taken(self, services: Sequence[Service], peer: IPAddress | None) -> list[tuple[IPAddress, str]]:
        taken: list[tuple[IPAddress, str]] = [(address, "the server's address") for address, _ in services]
        taken += [(address, "an address of the intercept's host") for address in self._addresses()]
        if peer is not None:
            taken.append((peer, "the sender's own address"))
        return taken

    def _check_free(self, networks: Sequence[IPNetwork]) -> None:
        for lease in self.living.values():
            for held in lease.networks:
                for network in networks:
                    if contains(held, network) or contains(network, held):
                        raise GrantRefused(
                            f"the forged range {network} overlaps {held}, which the sender {lease.name} uses now"
                        )

    def _next_generation(self) -> int:
        used = {0, *self.living, *(held.generation for held in self.lingering)}
        for step in range(1, _GENERATIONS + 1):
            generation = (self._last + step) % _GENERATIONS
            if generation not in used:
                self._last = generation
                return generation
        raise GrantRefused("65,535 grants are alive or linger here: try again later")

    def _register(self, lease: Lease, services: Sequence[Service]) -> None:
        for address, port in services:
            try:
                lease.services.append(self._registry.add_service(address, port))
            except Fault as fault:
                raise type(fault)(f"{show_service((address, port))}: {fault}") from fault
        lease.renewed_ns = time.monotonic_ns()
        deadline = lease.renewed_ns + self.lease_ns + self.linger_ns
        for network in lease.networks:
            self._registry.add_range(network, lease.generation, deadline)
        self._inherit(lease, deadline)

    def _inherit(self, lease: Lease, deadline: int) -> None:
        for place, held in enumerate(self.lingering):
            ours = [n for n in held.networks if any(contains(network, n) for network in lease.networks)]
            for network in ours:
                if network not in lease.networks:
                    self._registry.add_range(network, lease.generation, deadline)
                    lease.inherited.append(network)
            rest = [network for network in held.networks if network not in ours]
            self.lingering[place] = held._replace(networks=rest)

    def _drop_services(self, services: Sequence[int]) -> None:
        for index in services:
            self._registry.remove_service(index)
