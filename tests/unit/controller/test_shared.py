"""One interception for several readers: a lease each, renewed and ended by whoever attached it."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

import pytest
from fakes import FakeInterception, FakeRange, records_of

from gryphon.controller.errors import GrantLost, GrantRefused
from gryphon.controller.shared import SharedIntercept

SERVICE = (ip_address("10.16.15.118"), 80)
LOW, HIGH = ip_network("10.17.15.0/25"), ip_network("10.17.15.128/25")
SECOND = 1_000_000_000


def shared(kernel: FakeInterception, *parts: object) -> SharedIntercept:
    ranges = [[part] for part in parts or (LOW, HIGH)]
    own = [ip_address("10.16.15.117")]
    return SharedIntercept(kernel, [SERVICE], ranges, addresses=lambda: own, others=list)  # type: ignore[arg-type]


def test_each_reader_reads_the_records_of_its_own_ring_and_lease() -> None:
    kernel = FakeInterception()
    first, second = shared(kernel).readers
    assert first.grant.generation != second.grant.generation
    kernel.rings[0].feed(records_of(first.grant.generation, 3))
    kernel.rings[1].feed(records_of(second.grant.generation, 5))
    assert (len(first.read()), len(second.read())) == (3, 5)
    assert second.status().delay_p99_us > 0


def test_the_counters_are_of_all_readers_and_told_once() -> None:
    intercept = shared(FakeInterception())
    assert [reader.status().counters.ring_full for reader in intercept.readers] == [0, 0]
    assert intercept.counters().ring_full == 1


def test_renewing_moves_every_readers_deadline() -> None:
    kernel = FakeInterception()
    intercept = shared(kernel)
    for lease in intercept._leases.living.values():
        lease.renewed_ns -= 2 * SECOND
    for network in (LOW, HIGH):
        kernel.renew(network, time.monotonic_ns() + SECOND)
    intercept.renew()
    assert all(kernel.held[network].deadline_ns > time.monotonic_ns() + 609 * SECOND for network in (LOW, HIGH))


def test_when_somebody_removes_the_interception_every_reader_learns_of_it_within_a_second() -> None:
    kernel = FakeInterception()
    intercept = shared(kernel)
    kernel.removed = True
    with pytest.raises(GrantLost, match="the interception on fake0 is gone"):
        intercept.renew()
    for reader in intercept.readers:
        reader._checked_ns -= SECOND
        with pytest.raises(GrantLost, match="drops the answers no more"):
            reader.read()


def test_readers_whose_owner_no_longer_renews_stop_before_an_answer_passes() -> None:
    kernel = FakeInterception()
    reader, other = shared(kernel).readers
    kernel.renew(LOW, time.monotonic_ns())
    for each in (reader, other):
        each._checked_ns -= SECOND
    with pytest.raises(GrantLost, match="nobody renewed its lease"):
        reader.read()
    assert len(other.read()) == 0


def test_a_clean_end_detaches_and_another_says_what_stays() -> None:
    kernel = FakeInterception()
    assert shared(kernel).close() is None
    assert kernel.detached
    kernel = FakeInterception()
    said = shared(kernel).close(clean=False)
    assert said is not None
    assert "10.17.15.0/25, 10.17.15.128/25" in said


def test_a_part_that_must_not_be_forged_refuses_the_whole() -> None:
    with pytest.raises(GrantRefused, match=r"8\.8\.8\.0/24"):
        shared(FakeInterception(), LOW, ip_network("8.8.8.0/24"))


def test_what_an_earlier_run_left_stays() -> None:
    kernel = FakeInterception([FakeRange(ip_network("10.18.0.0/16"), 5, time.monotonic_ns() + 60 * SECOND)])
    said = shared(kernel).close()
    assert said is not None
    assert "10.18.0.0/16" in said
