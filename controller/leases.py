"""Leases: which sender holds which services and forged ranges, and until when the program drops the answers.

The deadline of a range stands in the kernel's map, and the program checks it by itself. While a sender lives its
ranges' deadline is kept at now + lease + linger, so that even a killed intercept leaks nothing for the linger time; at
the end it becomes now + linger. What else lingers (services as long as the ranges they were granted with, narrow ranges
inside a new wide one) the interception looks after.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from gryphon.controller.errors import Fault, GrantRefused
from gryphon.controller.policy import Policy, collapse, contains
from gryphon.controller.source import IPAddress, IPNetwork, Service
from gryphon.controller.straying import Asked
from gryphon.controller.surroundings import Taken, surroundings

LEASE_S = 10.0
_RENEW_AFTER_NS = 500_000_000
_GENERATIONS = 1 << 16


def others_nearby() -> Sequence[Taken]:
    """What the intercept's host knows of others."""
    return surroundings("the intercept's host")


class HeldRange(Protocol):
    """A range whose deadline still runs, as the kernel's map holds it."""

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
    def add_range(self, network: IPNetwork, generation: int, deadline_ns: int, ring: int = 0) -> None: ...
    def renew(self, network: IPNetwork, deadline_ns: int) -> None: ...
    def ranges(self) -> Sequence[HeldRange]: ...


@dataclass
class Lease:
    """What one living sender holds; ``services`` by their indexes, ``asked`` as they were asked for."""

    generation: int
    networks: list[IPNetwork]
    services: list[int]
    name: str
    renewed_ns: int = 0
    asked: Asked = field(default_factory=Asked)


class Leases:
    """Grants, renews and ends leases over one interception."""

    def __init__(
        self,
        registry: Registry,
        policy: Policy,
        linger_s: float,
        addresses: Callable[[], Sequence[IPAddress]],
        lease_s: float = LEASE_S,
        others: Callable[[], Sequence[Taken]] = others_nearby,
    ) -> None:
        """``addresses`` are this host's own, ``others`` those that it knows to be somebody else's."""
        self._registry = registry
        self._policy = policy
        self._addresses, self._others = addresses, others
        self.linger_ns = int(linger_s * 1e9)
        self.lease_ns = int(lease_s * 1e9)
        self.living: dict[int, Lease] = {}
        self._last = max((held.generation for held in registry.ranges()), default=0)

    def grant(
        self,
        services: Sequence[Service],
        ranges: Sequence[IPNetwork],
        name: str,
        peer: IPAddress | None = None,
        ring: int = 0,
    ) -> Lease:
        """Give a sender what it asks for; from here on the answers are dropped, and their records go to a ring.

        Raises:
            GrantRefused: something of it is not allowed, not possible, or held by another sender.
        """
        networks = collapse(ranges)
        own = self._addresses()
        self._policy.check_services(services, own)
        self._policy.check_ranges(networks, self._taken(services, own, peer))
        self._check_free(networks)
        lease = Lease(self._next_generation(), [], [], name, asked=Asked(tuple(services), tuple(networks)))
        lingering = {held.network: held.deadline_ns for held in self._registry.ranges()}
        try:
            self._register(lease, services, networks, ring)
        except Fault as fault:
            self._release(lease, time.monotonic_ns(), lingering)
            raise GrantRefused(str(fault)) from fault
        self.living[lease.generation] = lease
        return lease

    def renew(self, lease: Lease, now: int) -> None:
        """The sender lives: move its deadline, unless that was just done (CLOCK_MONOTONIC, nanoseconds)."""
        if now - lease.renewed_ns < _RENEW_AFTER_NS:
            return
        lease.renewed_ns = now
        for network in lease.networks:
            self._registry.renew(network, now + self.lease_ns + self.linger_ns)

    def end(self, lease: Lease, now: int) -> None:
        """The sender is gone: its answers are dropped for the linger time, then pass."""
        del self.living[lease.generation]
        self._release(lease, now + self.linger_ns)

    def lingers_until(self) -> int:
        """The last deadline (CLOCK_MONOTONIC, nanoseconds) of ranges without a sender; 0 when there are none."""
        held = self._registry.ranges()
        return max((one.deadline_ns for one in held if one.generation not in self.living), default=0)

    def _taken(self, services: Sequence[Service], own: Sequence[IPAddress], peer: IPAddress | None) -> list[Taken]:
        taken: list[Taken] = [(address, "the server's address") for address, _ in services]
        taken += [(address, "an address of the intercept's host") for address in own]
        taken += self._others()
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
        used = {0, *self.living, *(held.generation for held in self._registry.ranges())}
        for step in range(1, _GENERATIONS):
            generation = (self._last + step) % _GENERATIONS
            if generation not in used:
                self._last = generation
                return generation
        raise GrantRefused("all 65,535 grants are alive or linger here: try again later")

    def _register(self, lease: Lease, services: Sequence[Service], networks: Sequence[IPNetwork], ring: int) -> None:
        for address, port in services:
            lease.services.append(self._registry.add_service(address, port))
        lease.renewed_ns = time.monotonic_ns()
        for network in networks:
            deadline = lease.renewed_ns + self.lease_ns + self.linger_ns
            self._registry.add_range(network, lease.generation, deadline, ring)
            lease.networks.append(network)

    def _release(self, lease: Lease, deadline: int, lingering: Mapping[IPNetwork, int] = MappingProxyType({})) -> None:
        """Gives up what a lease holds; a range that an earlier one left lingering goes on doing so."""
        for network in lease.networks:
            self._registry.renew(network, lingering.get(network, deadline))
        for index in lease.services:
            self._registry.remove_service(index)
