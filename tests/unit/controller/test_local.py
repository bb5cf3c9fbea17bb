"""The local topology: the same surface as a channel; a clean end leaves nothing, any other lingers and says so."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from fakes import FakeInterception, FakeRange, records_of

from gryphon.controller.errors import GrantLost, GrantRefused
from gryphon.controller.local import LocalIntercept

SERVICE = (ip_address("10.16.15.118"), 80)
RANGE = ip_network("10.17.15.0/24")
SECOND = 1_000_000_000


def local(kernel: FakeInterception, linger: float = 600.0) -> LocalIntercept:
    own = [ip_address("10.16.15.117")]
    return LocalIntercept(kernel, [SERVICE], [RANGE], linger, addresses=lambda: own, others=list)


def test_records_of_this_run_come_through_with_their_own_times() -> None:
    kernel = FakeInterception()
    intercept = local(kernel)
    fed = records_of(intercept.grant.generation, 5)
    kernel.ring.feed(np.concatenate([records_of(999, 2), fed]))
    assert not intercept.arm()
    assert intercept.read().tobytes() == fed.tobytes()
    assert intercept.clock() == (0, 0)
    assert intercept.status().counters.matched == 5
    assert intercept.status().delay_p99_us > 0


def test_reading_keeps_the_lease_alive() -> None:
    kernel = FakeInterception()
    intercept = local(kernel)
    intercept._lease.renewed_ns -= 2 * SECOND
    kernel.renew(RANGE, time.monotonic_ns() + SECOND)
    intercept.read()
    assert kernel.held[RANGE].deadline_ns > time.monotonic_ns() + 609 * SECOND


def test_a_lease_is_kept_while_nobody_reads() -> None:
    kernel = FakeInterception()
    intercept = local(kernel)
    intercept._lease.renewed_ns -= 2 * SECOND
    kernel.ring.feed(records_of(intercept.grant.generation, 5))
    kernel.renew(RANGE, time.monotonic_ns() + SECOND)
    intercept.keep()
    assert kernel.held[RANGE].deadline_ns > time.monotonic_ns() + 609 * SECOND
    assert len(intercept.read()) == 5


def later(kernel: FakeInterception, intercept: LocalIntercept) -> None:
    """As if a second and a half had passed since the last look."""
    intercept._checked_ns -= 3 * SECOND // 2
    intercept._lease.renewed_ns -= 3 * SECOND // 2


def test_a_lease_that_ran_out_while_the_process_stood_still_is_not_revived() -> None:
    kernel = FakeInterception()
    intercept = local(kernel)
    kernel.held[RANGE] = kernel.held[RANGE]._replace(deadline_ns=time.monotonic_ns())
    later(kernel, intercept)
    with pytest.raises(GrantLost, match="the interception on fake0 drops the answers no more"):
        intercept.read()
    assert kernel.ranges() == []


def test_when_somebody_removes_the_interception_the_run_ends_and_nothing_is_said_to_stay() -> None:
    kernel = FakeInterception()
    intercept = local(kernel)
    intercept.read()
    kernel.removed = True
    later(kernel, intercept)
    with pytest.raises(GrantLost, match="the interception on fake0 is gone: somebody removed it, or the interface"):
        intercept.read()
    said = intercept.close(clean=False)
    assert said == "nothing drops answers to 10.17.15.0/24 on fake0 any more: the interception there was removed"
    assert kernel.detached, "the pins go, too"


def test_a_clean_end_detaches() -> None:
    kernel = FakeInterception()
    intercept = local(kernel)
    assert intercept.close() is None
    assert kernel.detached
    with pytest.raises(GrantLost):
        intercept.read()


def test_another_end_leaves_it_and_says_how_to_remove_it() -> None:
    kernel = FakeInterception()
    said = local(kernel).close(clean=False)
    assert said is not None
    assert "fake0 goes on dropping answers to 10.17.15.0/24 for 600 s" in said
    assert "gryphon-intercept --detach fake0" in said
    assert kernel.closed
    assert not kernel.detached


def test_a_clean_end_leaves_what_an_earlier_run_left() -> None:
    kernel = FakeInterception([FakeRange(ip_network("10.18.0.0/16"), 5, time.monotonic_ns() + 60 * SECOND)])
    said = local(kernel).close()
    assert said is not None
    assert "10.18.0.0/16" in said
    assert "10.17" not in said
    assert not kernel.detached


def test_without_linger_another_end_detaches_too() -> None:
    kernel = FakeInterception()
    assert local(kernel, linger=0).close(clean=False) is None
    assert kernel.detached


def test_a_second_close_does_nothing() -> None:
    intercept = local(FakeInterception())
    intercept.close()
    assert intercept.close() is None


def test_a_range_with_an_address_of_this_host_is_refused() -> None:
    with pytest.raises(GrantRefused, match="an address of the intercept's host"):
        LocalIntercept(
            FakeInterception(), [SERVICE], [RANGE], addresses=lambda: [ip_address("10.17.15.3")], others=list
        )


def test_a_public_server_is_refused() -> None:
    public = (ip_address("93.184.216.34"), 80)
    with pytest.raises(GrantRefused, match="in the local topology nobody but the sender has a say"):
        LocalIntercept(FakeInterception(), [public], [RANGE], addresses=lambda: [public[0]], others=list)


def test_samples_come_through_as_the_ring_has_them() -> None:
    kernel = FakeInterception(sample=16)
    intercept = local(kernel)
    fed = records_of(intercept.grant.generation, 5, sample=16)
    kernel.ring.feed(np.concatenate([records_of(999, 2, sample=16), fed]))
    assert intercept.grant.sample == 16
    assert intercept.read().tobytes() == fed.tobytes()
