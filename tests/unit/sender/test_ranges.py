"""Forged ranges (``-c``): every form, and the sentence for every wrong one."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gryphon.controller.errors import InputFault
from gryphon.sender.ranges import check_pool, parse_pool


@pytest.mark.parametrize(
    ("text", "network", "first", "addresses"),
    [
        ("10.17.15.*", "10.17.15.0/24", "10.17.15.1", 254),
        ("10.17.15.x", "10.17.15.0/24", "10.17.15.1", 254),
        ("10.17.*.*", "10.17.0.0/16", "10.17.0.1", 65534),
        ("10.*.*.*", "10.0.0.0/8", "10.0.0.1", (1 << 24) - 2),
        ("10.17.15.0/24", "10.17.15.0/24", "10.17.15.1", 254),
        ("10.17.15.9", "10.17.15.9/32", "10.17.15.9", 1),
        ("10.17.15.8/31", "10.17.15.8/31", "10.17.15.8", 2),
        ("fd00:17::/64", "fd00:17::/64", "fd00:17::1", 1 << 32),
        ("fd00:17::/120", "fd00:17::/120", "fd00:17::1", 255),
        ("fd00:17::5", "fd00:17::5/128", "fd00:17::5", 1),
    ],
)
def test_each_form_names_its_network_without_its_special_addresses(
    text: str, network: str, first: str, addresses: int
) -> None:
    pool = parse_pool(text)
    assert pool.networks == (ip_network(network),)
    assert ip_address(first) == ip_address(pool.first[0])
    assert pool.addresses == addresses


def test_a_list_becomes_blocks_one_after_the_other() -> None:
    blocks = parse_pool("10.17.15.*, 10.18.0.0/16 ,10.20.0.1").blocks()
    assert list(blocks["before"]) == [0, 254, 254 + 65534]
    assert list(blocks["count"]) == [254, 65534, 1]
    assert list(blocks["hi"]) == [0, 0, 0]
    assert int(blocks["lo"][2]) == 0xFFFF_0A14_0001


def test_an_ipv6_block_is_not_mapped() -> None:
    blocks = parse_pool("fd00:17::/64").blocks()
    assert int(blocks["hi"][0]) == 0xFD00_0017 << 32
    assert int(blocks["lo"][0]) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no forged range"),
        (" , ", "no forged range"),
        ("10.17.15", "not a forged range"),
        ("10.17.*.5", "not a forged range"),
        ("999.1.1.*", "not a forged range"),
        ("10.17.15.7/24", "host bits"),
        ("10.17.15.1-10.17.15.9", "not a forged range"),
        ("host.example", "not a forged range"),
        ("10.17.15.*,fd00:17::/64", "mix IPv4 and IPv6"),
        ("10.17.15.*,10.17.0.0/16", "overlap"),
        ("10.17.0.0/16,10.17.15.9", "overlap"),
        ("10.17.15.9,10.17.15.9", "overlap"),
    ],
)
def test_a_wrong_range_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputFault, match=sentence) as caught:
        parse_pool(text)
    assert caught.value.status == 2
    assert "\n" not in str(caught.value)


def test_more_users_than_slots_are_told_how_many_fit() -> None:
    check_pool(parse_pool("10.17.15.*"), 7_171_182, [])
    with pytest.raises(InputFault, match="holds 7,171,182"):
        check_pool(parse_pool("10.17.15.*"), 7_171_183, [])


@pytest.mark.parametrize("text", ["127.0.0.0/30", "224.0.0.0/24", "169.254.7.*", "0.0.0.0/8", "fe80::/64", "ff02::1"])
def test_what_nobody_may_forge_is_refused_before_anybody_is_asked(text: str) -> None:
    with pytest.raises(InputFault, match="which nobody may forge: choose a range of nobody's with -c"):
        check_pool(parse_pool(text), 1, [])


def test_somebodys_address_in_the_range_is_refused_with_its_owner() -> None:
    with pytest.raises(InputFault, match=r"10\.17\.15\.9, the server under test"):
        check_pool(parse_pool("10.17.15.*"), 1, [(ip_address("10.17.15.9"), "the server under test")])
    check_pool(parse_pool("10.17.15.*"), 1, [(ip_address("10.17.16.9"), "x"), (ip_address("fd00::1"), "y")])
