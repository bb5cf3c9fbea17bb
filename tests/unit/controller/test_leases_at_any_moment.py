"""Whoever dies at whatever moment: a sender's answers are dropped for the linger time, and no longer than promised.

Leases and the kernel's tables as they are, over maps that are dictionaries and a clock that the test moves. Senders
come, beat, fall silent, end or die between any two steps, and the intercept is killed, started again or detached.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gryphon.controller import leases as leases_module
from gryphon.controller import tables as tables_module
from gryphon.controller.errors import GrantRefused
from gryphon.controller.leases import LEASE_S, Lease, Leases
from gryphon.controller.policy import Policy
from gryphon.controller.source import IPAddress, IPNetwork
from gryphon.controller.tables import Range, Ranges, Services, mapped

SECOND = 10**9
LEASE, LINGER = int(LEASE_S * SECOND), 600 * SECOND
SERVICES = [(ip_address("10.16.15.118"), port) for port in (80, 443)]
NETWORKS = [ip_network(text) for text in ("10.17.0.0/16", "10.17.15.0/24", "10.17.15.128/25", "10.18.0.0/16")]
UNFIT = ip_network("10.21.0.0/16")
"""A range for which the kernel's map has no room."""
USERS = [ip_address(text) for text in ("10.17.1.1", "10.17.15.1", "10.17.15.200", "10.18.0.1")]


class Table:
    """A map of the kernel's, which outlives who filled it."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    def set(self, key: bytes, value: bytes) -> None:
        if UNFIT.network_address.packed in key:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.entries[key] = value

    def delete(self, key: bytes) -> None:
        self.entries.pop(key, None)

    def items(self) -> Any:
        return list(self.entries.items())


class NoFew:
    """The copies for the short way, of no concern here."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Kernel:
    """The registry of one intercept; what it registers stays when it is killed."""

    def __init__(self, left: Kernel | None = None) -> None:
        self.trie, self.services_map, self.addresses = Table(), Table(), Table()
        few: Any = NoFew()
        self._ranges = Ranges(self.trie, few)  # type: ignore[arg-type]
        self._services = Services(self.services_map, self.addresses, few, self._ranges)  # type: ignore[arg-type]
        if left is not None:  # as attach._take_over does
            self._ranges.copy(left.trie)  # type: ignore[arg-type]
            self._services.copy(left.services_map)  # type: ignore[arg-type]

    def add_service(self, address: IPAddress, port: int) -> int:
        return self._services.add(address, port)

    def remove_service(self, index: int) -> None:
        self._services.remove(index)

    def add_range(self, network: IPNetwork, generation: int, deadline_ns: int, ring: int = 0) -> None:
        self._ranges.add(network, generation, deadline_ns, ring)

    def renew(self, network: IPNetwork, deadline_ns: int) -> None:
        self._ranges.renew(network, deadline_ns)

    def ranges(self) -> list[Range]:
        return self._ranges.all()

    def drops(self, service: tuple[IPAddress, int], user: IPAddress, now: int) -> bool:
        """What the program does (docs/interception.md, rules 6 and 8)."""
        if not any(
            tables_module._SERVICE.unpack(key) == (mapped(service[0]), service[1]) for key in self.services_map.entries
        ):
            return False
        for key, value in self.trie.entries.items():
            prefix, network = tables_module._RANGE.unpack(key)
            inside = _bits(mapped(user), prefix) == _bits(network, prefix)
            if inside and now < tables_module._LEASE.unpack(value)[0]:
                return True
        return False


def _bits(packed: bytes, prefix: int) -> int:
    return int.from_bytes(packed, "big") >> 128 - prefix


@dataclass
class Sender:
    """What the test knows of one sender's grant."""

    lease: Lease
    network: IPv4Network
    service: tuple[IPAddress, int]
    alive_ns: int
    """When the intercept heard from it last."""
    ended_ns: int | None = None
    """When the intercept knew that it was gone; None where it was killed before."""


class Clock:
    """CLOCK_MONOTONIC, moved by the test."""

    now = 1000 * SECOND

    def monotonic_ns(self) -> int:
        return self.now


class AnyMoment(RuleBasedStateMachine):
    """Deaths at all moments."""

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock()
        for module in (leases_module, tables_module):
            self.patch.setattr(module, "time", self.clock)
        self.kernel = Kernel()
        self.start()
        self.gone: list[Sender] = []

    def start(self) -> None:
        self.leases: Leases | None = Leases(self.kernel, Policy(), LINGER / 1e9, list)
        self.senders: list[Sender] = []

    @precondition(lambda self: self.leases is not None)
    @rule(network=st.sampled_from(NETWORKS), service=st.sampled_from(SERVICES))
    def grant(self, network: IPv4Network, service: tuple[IPAddress, int]) -> None:
        assert self.leases is not None
        try:
            lease = self.leases.grant([service], [network], "a sender")
        except GrantRefused:
            assert any(sender.network.overlaps(network) for sender in self.senders)
            return
        self.senders.append(Sender(lease, network, service, self.clock.now))

    @precondition(lambda self: self.leases is not None)
    @rule(network=st.sampled_from(NETWORKS))
    def grant_fails_half_way(self, network: IPv4Network) -> None:
        """What lingers in the range that did fit goes on lingering."""
        assert self.leases is not None
        with pytest.raises(GrantRefused):
            self.leases.grant([SERVICES[0]], [network, UNFIT], "one that asks for too much")

    @precondition(lambda self: self.leases is not None and self.senders)
    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        """A heartbeat of one; those within half a second of each other count as one."""
        assert self.leases is not None
        sender = data.draw(st.sampled_from(self.senders))
        self.leases.renew(sender.lease, self.clock.now)
        sender.alive_ns = self.clock.now

    @precondition(lambda self: self.leases is not None and self.senders)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """One ends, dies, or was silent for too long: the intercept does the same."""
        assert self.leases is not None
        sender = data.draw(st.sampled_from(self.senders))
        self.leases.end(sender.lease, self.clock.now)
        sender.ended_ns = self.clock.now
        self.senders.remove(sender)
        self.gone.append(sender)

    @rule(seconds=st.sampled_from([0, 0.3, 1, 5, 9, 60, 300, 590, 601]))
    def wait(self, seconds: float) -> None:
        """Time passes; a running intercept does not let it pass a silent sender's lease (Connections.tick)."""
        self.clock.now += int(seconds * SECOND)
        for sender in list(self.senders) if self.leases is not None else []:
            if self.clock.now - sender.alive_ns >= LEASE:
                assert self.leases is not None
                self.leases.end(sender.lease, sender.alive_ns + LEASE)
                sender.ended_ns = sender.alive_ns + LEASE
                self.senders.remove(sender)
                self.gone.append(sender)

    @precondition(lambda self: self.leases is not None)
    @rule()
    def kill_intercept(self) -> None:
        """kill -9: its senders notice and stop; nobody renews any more."""
        self.leases = None
        self.gone += self.senders
        self.senders = []

    @precondition(lambda self: self.leases is None)
    @rule()
    def start_again(self) -> None:
        """The next one takes over what is there."""
        self.kernel = Kernel(self.kernel)
        self.start()

    @precondition(lambda self: self.leases is None)
    @rule()
    def detach(self) -> None:
        """The operator removes what is left: from here on it passes."""
        self.kernel = Kernel()
        self.gone = []
        self.start()

    @invariant()
    def no_answer_leaves_too_early(self) -> None:
        """Of one that lives, for lease and linger after its last word; of one that is gone, for the linger time."""
        now = self.clock.now
        for sender in self.senders:
            assert self.drops(sender)
        for sender in self.gone:
            since = sender.alive_ns if sender.ended_ns is None else sender.ended_ns
            if now < since + LINGER:
                assert self.drops(sender)

    @invariant()
    def no_range_outlives_its_promise(self) -> None:
        """No address is dropped for anybody later than lease and linger after a sender's last word."""
        now = self.clock.now
        for user in USERS:
            covering = [sender for sender in [*self.senders, *self.gone] if user in sender.network]
            if all(now >= sender.alive_ns + LEASE + LINGER for sender in covering):
                assert not any(self.kernel.drops(service, user, now) for service in SERVICES)

    def drops(self, sender: Sender) -> bool:
        return all(self.kernel.drops(sender.service, user, self.clock.now) for user in USERS if user in sender.network)

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()


TestAnyMoment = AnyMoment.TestCase
TestAnyMoment.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
