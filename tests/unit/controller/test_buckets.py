"""Token buckets let through what they are told to, and remember a bounded number of addresses."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gryphon.controller import buckets
from gryphon.controller.buckets import Bucket, Origins, origin

SECOND = 1_000_000_000


def test_a_burst_then_the_rate() -> None:
    bucket = Bucket(10, 3, 0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_ns(0) == SECOND // 10
    assert not bucket.take(SECOND // 11)
    assert bucket.take(SECOND // 10)


def test_rest_gives_no_more_than_the_burst() -> None:
    bucket = Bucket(10, 3, 0)
    assert bucket.level(100 * SECOND) == 3


def test_what_is_spent_beyond_the_level_is_owed() -> None:
    bucket = Bucket(10, 3, 0)
    assert bucket.spend(0, 13) == -10
    assert bucket.wait_ns(0) == SECOND * 11 // 10
    assert not bucket.take(SECOND)
    assert bucket.take(SECOND * 11 // 10)


@given(st.lists(st.tuples(st.integers(0, 10 * SECOND), st.integers(1, 5)), max_size=50))
def test_never_more_than_burst_and_rate(asked: list[tuple[int, int]]) -> None:
    bucket = Bucket(7, 5, 0)
    taken = sum(bucket.take(at) for at, times in sorted(asked) for _ in range(times))
    assert taken <= 5 + 7 * 10
    assert all(bucket.level(at) <= 5 for at in (0, 20 * SECOND))  # an earlier time gives nothing, and takes nothing


def test_each_address_has_its_own() -> None:
    origins = Origins(1, 1)
    one, other = ip_address("192.0.2.1"), ip_address("192.0.2.2")
    assert origins.of(one, 0).take(0)
    assert not origins.of(one, 0).take(0)
    assert origins.of(other, 0).take(0)


def test_a_host_has_all_of_its_ipv6_network() -> None:
    assert origin(ip_address("2001:db8::1")) == origin(ip_address("2001:db8::ffff:1"))
    assert origin(ip_address("2001:db8:0:1::1")) != origin(ip_address("2001:db8::1"))
    assert origin(ip_address("0.0.0.1")) != origin(ip_address("::1"))


def test_the_longest_unseen_address_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_MOST_ORIGINS", 2)
    origins = Origins(1, 1)
    first, second, third = (ip_address(f"192.0.2.{i}") for i in (1, 2, 3))
    for address in (first, second):
        assert origins.of(address, 0).take(0)
    origins.of(first, 0)
    assert origins.of(third, 0).take(0)
    assert not origins.of(first, 0).take(0)
    assert origins.of(second, 0).take(0)
