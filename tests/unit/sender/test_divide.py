"""Shares of a forged range: every address in one of them, and no network that holds another's."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gryphon.controller.errors import InputFault
from gryphon.sender.divide import share_out
from gryphon.sender.ranges import Pool, parse_pool

POOLS = ["10.17.15.*", "10.17.15.9,10.17.16.0/24,10.18.0.0/30", "10.17.0.0/16", "fd00:17::/120,fd00:18::/126"]


def addresses(pool: Pool) -> list[int]:
    return [first + i for first, count in zip(pool.first, pool.counts, strict=True) for i in range(count)]


@given(st.sampled_from(POOLS), st.integers(2, 7))
def test_the_shares_addresses_are_those_of_the_pool_in_order(text: str, parts: int) -> None:
    pool = parse_pool(text)
    shares = share_out(pool, parts, users=1000)
    assert [address for share in shares for address in addresses(share.pool)] == addresses(pool)
    sizes = [share.pool.addresses for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert [(share.number, share.of) for share in shares] == [(number, parts) for number in range(parts)]


@given(st.sampled_from(POOLS), st.integers(2, 7))
def test_a_shares_networks_hold_its_own_addresses_and_no_others(text: str, parts: int) -> None:
    for share in share_out(parse_pool(text), parts, users=1000):
        held = [int(address) for network in share.pool.networks for address in network]
        assert sorted(held) == sorted(addresses(share.pool))


def test_one_share_is_the_whole_pool_with_the_networks_as_they_were_given() -> None:
    pool = parse_pool("10.17.15.*")
    (share,) = share_out(pool, 1, users=5)
    assert (share.pool, share.number, share.of) == (pool, 0, 1)


def test_a_large_prefix_is_divided_without_being_counted_through() -> None:
    low, high = share_out(parse_pool("fd00:17::/64"), 2, users=10)
    assert low.pool.addresses == high.pool.addresses == 1 << 31
    assert ip_address(high.pool.first[0]) == ip_address("fd00:17::8000:1")


def test_blocks_of_a_share_begin_where_its_addresses_do() -> None:
    _, second = share_out(parse_pool("10.17.15.*"), 2, users=10)
    (block,) = second.pool.blocks()
    assert (hex(block["lo"]), block["count"], block["before"]) == ("0xffff0a110f80", 127, 0)


@pytest.mark.parametrize(
    ("clients", "parts", "users", "sentence"),
    [
        ("10.17.15.7", 2, 10, "each needs a forged address of its own, and -c has 1"),
        ("10.17.15.*", 4, 3, "each needs a user of its own, and -u has 3"),
        ("10.17.15.1,10.17.15.2,10.17.15.3", 2, 3 * 28233, "42,350 of the 84,699 users do not fit"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_one_sentence(clients: str, parts: int, users: int, sentence: str) -> None:
    with pytest.raises(InputFault, match=sentence) as caught:
        share_out(parse_pool(clients), parts, users)
    assert "--threads" in str(caught.value)
