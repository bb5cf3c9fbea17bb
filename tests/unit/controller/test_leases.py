"""A living sender's ranges stay dropped for lease + linger, an ended one's for linger; living ranges never overlap."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

import pytest
from fakes import FakeInterception, FakeRange

from gryphon.controller.errors import GrantRefused
from gryphon.controller.leases import Lease, Leases
from gryphon.controller.policy import Policy
from gryphon.controller.source import IPAddress

SECOND = 1_000_000_000
SERVICE = (ip_address("10.16.15.118"), 80)
WIDE, NARROW = ip_network("10.17.0.0/16"), ip_network("10.17.15.0/24")


def leases(kernel: FakeInterception, linger_s: float = 600.0, own: tuple[IPAddress, ...] = ()) -> Leases:
    return Leases(kernel, Policy(), linger_s, lambda: own, others=list)


def granted(held: Leases, network: str = "10.17.15.0/24") -> Lease:
    return held.grant([SERVICE], [ip_network(network)], "a sender")


def test_a_grant_stands_in_the_kernel_before_the_sender_hears_of_it() -> None:
    kernel = FakeInterception()
    before = time.monotonic_ns()
    lease = granted(leases(kernel))
    (held,) = kernel.ranges()
    assert (held.network, held.generation) == (NARROW, lease.generation)
    assert 610 * SECOND <= held.deadline_ns - before < 620 * SECOND
    assert kernel.references == {lease.services[0]: 1}


def test_renewal_moves_the_deadline_but_not_at_every_heartbeat() -> None:
    kernel = FakeInterception()
    held = leases(kernel)
    lease = granted(held)
    now = lease.renewed_ns
    held.renew(lease, now + SECOND // 10)
    assert kernel.held[NARROW].deadline_ns == now + 610 * SECOND
    held.renew(lease, now + SECOND)
    assert kernel.held[NARROW].deadline_ns == now + 611 * SECOND


def test_an_ended_lease_lingers_and_gives_its_service_back() -> None:
    kernel = FakeInterception()
    held = leases(kernel)
    lease = granted(held)
    now = time.monotonic_ns()
    held.end(lease, now)
    assert kernel.held[NARROW].deadline_ns == held.lingers_until() == now + 600 * SECOND
    assert kernel.references[lease.services[0]] == 0
    assert not held.living


def test_living_leases_do_not_linger() -> None:
    held = leases(FakeInterception())
    granted(held)
    assert held.lingers_until() == 0


def test_without_linger_an_end_is_the_end() -> None:
    kernel = FakeInterception()
    held = leases(kernel, linger_s=0)
    held.end(granted(held), time.monotonic_ns())
    assert kernel.ranges() == []


@pytest.mark.parametrize("asked", ["10.17.15.0/24", "10.17.15.128/25", "10.17.0.0/16", "10.17.15.7/32"])
def test_what_overlaps_a_living_range_is_refused(asked: str) -> None:
    held = leases(FakeInterception())
    granted(held)
    with pytest.raises(GrantRefused, match=r"overlaps 10\.17\.15\.0/24, which the sender a sender uses now"):
        granted(held, asked)


def test_neighbours_and_the_other_version_are_free() -> None:
    held = leases(FakeInterception())
    generations = {granted(held, text).generation for text in ("10.17.15.0/24", "10.17.16.0/24", "fd00:17::/64")}
    assert len(generations) == 3


def test_a_lingering_range_may_be_granted_again_also_as_part_of_a_wider_one() -> None:
    kernel = FakeInterception()
    held = leases(kernel)
    held.end(granted(held), time.monotonic_ns())
    lease = held.grant([SERVICE], [WIDE], "another")
    assert {one.generation for one in kernel.ranges()} == {lease.generation}


def test_ranges_taken_over_linger_and_their_generations_are_not_used_again() -> None:
    deadline = time.monotonic_ns() + 30 * SECOND
    kernel = FakeInterception([FakeRange(NARROW, 65535, deadline), FakeRange(ip_network("fd00::/64"), 1, deadline)])
    held = leases(kernel)
    assert held.lingers_until() == deadline
    assert granted(held, "10.18.0.0/16").generation == 2


def test_a_range_holding_the_server_the_host_or_the_sender_is_refused() -> None:
    held = leases(FakeInterception(), own=(ip_address("10.17.15.2"),))
    with pytest.raises(GrantRefused, match=r"10\.17\.15\.2, an address of the intercept's host"):
        granted(held)
    with pytest.raises(GrantRefused, match=r"10\.16\.15\.118, the server's address"):
        granted(held, "10.16.0.0/16")
    with pytest.raises(GrantRefused, match=r"10\.20\.0\.5, the sender's own address"):
        held.grant([SERVICE], [ip_network("10.20.0.0/24")], "a sender", ip_address("10.20.0.5"))


def test_a_range_with_what_the_host_knows_of_others_is_refused() -> None:
    known = [(ip_address("10.17.15.1"), "a gateway of the intercept's host")]
    held = Leases(FakeInterception(), Policy(), 600.0, list, others=lambda: known)
    with pytest.raises(
        GrantRefused, match=r"10\.17\.15\.0/24 contains 10\.17\.15\.1, a gateway of the intercept's host"
    ):
        granted(held)
    granted(held, "10.18.0.0/16")


def test_a_public_server_is_granted_where_the_intercept_is_that_server() -> None:
    public = (ip_address("93.184.216.34"), 443)
    leases(FakeInterception(), own=(public[0],)).grant([public], [NARROW], "a sender")
    with pytest.raises(GrantRefused, match="a public address and not one of the intercept's host"):
        leases(FakeInterception()).grant([public], [NARROW], "a sender")


def test_a_grant_that_does_not_fit_leaves_what_lingers_as_it_was() -> None:
    kernel = FakeInterception()
    held = leases(kernel)
    held.end(granted(held), time.monotonic_ns())
    before = kernel.held[NARROW].deadline_ns
    kernel.capacity = 1
    with pytest.raises(GrantRefused, match="the map of forged ranges is full"):
        held.grant([SERVICE], [NARROW, ip_network("fd00::/64")], "a sender")
    assert {network: one.deadline_ns for network, one in kernel.held.items()} == {NARROW: before}


def test_a_grant_that_does_not_fit_leaves_nothing() -> None:
    kernel = FakeInterception()
    kernel.capacity = 1
    held = leases(kernel)
    with pytest.raises(GrantRefused, match="the map of forged ranges is full"):
        held.grant([SERVICE], [NARROW, ip_network("fd00::/64")], "a sender")
    assert kernel.ranges() == []
    assert set(kernel.references.values()) == {0}
    assert not held.living
