"""What may be forged: nobody's space, unless others are named, and never an address that somebody has."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gryphon.controller.errors import GrantRefused, InputFault
from gryphon.controller.policy import (
    Policy,
    collapse,
    is_public,
    own_addresses,
    parse_network,
    parse_service,
    plain,
)
from gryphon.controller.source import Service


@pytest.mark.parametrize(
    "text",
    ["10.17.15.0/24", "172.31.0.0/16", "192.168.0.0/16", "100.127.0.0/16", "198.19.0.0/16", "203.0.113.7", "fd00::/16"],
)
def test_private_and_documentation_space_is_allowed(text: str) -> None:
    Policy().check_ranges([ip_network(text)], [])


@pytest.mark.parametrize(
    "text", ["8.8.8.0/24", "172.32.0.0/16", "10.0.0.0/7", "240.0.0.0/8", "100.128.0.0/16", "2a00::/32", "fe00::/16"]
)
def test_space_where_others_live_is_refused(text: str) -> None:
    with pytest.raises(GrantRefused, match="is not allowed here: it must lie in private"):
        Policy().check_ranges([ip_network(text)], [])


def test_named_ranges_replace_the_default() -> None:
    policy = Policy(ranges=[ip_network("8.8.0.0/16")])
    policy.check_ranges([ip_network("8.8.8.0/24")], [])
    with pytest.raises(GrantRefused, match=r"it must lie in 8\.8\.0\.0/16"):
        policy.check_ranges([ip_network("10.17.15.0/24")], [])


def test_a_taken_address_is_refused_with_its_owner() -> None:
    with pytest.raises(GrantRefused, match=r"10\.17\.15\.0/24 contains 10\.17\.15\.9, the server's address"):
        Policy().check_ranges([ip_network("10.17.15.0/24")], [(ip_address("10.17.15.9"), "the server's address")])


def test_addresses_of_the_other_version_do_not_matter() -> None:
    Policy().check_ranges([ip_network("10.0.0.0/8")], [(ip_address("fd00::1"), "x")])


def test_services_are_free_unless_named() -> None:
    asked = (ip_address("10.16.15.118"), 80)
    Policy().check_services([asked])
    Policy(services=[asked]).check_services([asked])
    with pytest.raises(GrantRefused, match=r"10\.16\.15\.118:80 is not allowed here: .* \[fd00::1\]:443"):
        Policy(services=[(ip_address("fd00::1"), 443)]).check_services([asked])


PUBLIC, PUBLIC_6 = (ip_address("93.184.216.34"), 443), (ip_address("2a00::34"), 443)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("10.1.2.3", False),
        ("172.31.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("198.18.0.1", False),
        ("192.0.2.1", False),
        ("127.0.0.1", False),
        ("169.254.1.1", False),
        ("::ffff:10.1.2.3", False),
        ("fd00::1", False),
        ("2001:db8::1", False),
        ("::1", False),
        ("fe80::1", False),
        ("93.184.216.34", True),
        ("172.32.0.1", True),
        ("100.128.0.1", True),
        ("198.20.0.1", True),
        ("192.0.3.1", True),
        ("::ffff:93.184.216.34", True),
        ("2a00::34", True),
        ("224.0.0.1", True),
    ],
)
def test_public_is_what_may_be_a_stranger_s(text: str, public: bool) -> None:
    assert is_public(ip_address(text)) is public


@pytest.mark.parametrize("service", [PUBLIC, PUBLIC_6])
def test_a_public_server_is_served_by_an_intercept_on_it_or_one_that_names_it(service: Service) -> None:
    with pytest.raises(GrantRefused, match=f"{service[0]} is a public address and not one of the intercept's host"):
        Policy().check_services([service], [ip_address("10.16.15.118")])
    Policy().check_services([service], [service[0]])
    Policy(services=[service]).check_services([service])
    with pytest.raises(GrantRefused, match="--allow-services"):
        Policy().check_services([(ip_address("10.16.15.118"), 80), service])


def test_in_the_local_topology_there_is_no_public_server_not_even_this_host_itself() -> None:
    for service in (PUBLIC, PUBLIC_6):
        with pytest.raises(GrantRefused, match="in the local topology nobody but the sender has a say"):
            Policy(local=True).check_services([service], [service[0]])
    for text in ("10.16.15.118", "198.18.0.1", "100.64.0.1", "203.0.113.9", "127.0.0.1", "fd00:16::1"):
        Policy(local=True).check_services([(ip_address(text), 80)])


def test_what_nobody_may_forge_no_option_allows() -> None:
    everything = Policy(ranges=[ip_network("0.0.0.0/0"), ip_network("::/0")])
    everything.check_ranges([ip_network("8.8.8.0/24"), ip_network("2a00::/32")], [])
    for text in ("0.0.0.0/0", "127.0.0.1", "::/0", "ff02::/16"):
        with pytest.raises(GrantRefused, match="which nobody may forge"):
            everything.check_ranges([ip_network(text)], [])


def test_nothing_asked_for_is_refused() -> None:
    with pytest.raises(GrantRefused, match="no service"):
        Policy().check_services([])
    with pytest.raises(GrantRefused, match="no forged range"):
        Policy().check_ranges([], [])


def test_ranges_collapse_each_version_apart() -> None:
    asked = ["10.0.0.0/25", "10.0.0.128/25", "10.0.0.7/32", "fd00::/65", "fd00::8000:0:0:0/65"]
    assert collapse(map(ip_network, asked)) == [ip_network("10.0.0.0/24"), ip_network("fd00::/64")]


def test_mapped_addresses_become_plain() -> None:
    assert plain(ip_address("::ffff:10.1.2.3")) == ip_address("10.1.2.3")
    assert plain(ip_address("fd00::1")) == ip_address("fd00::1")


def test_own_addresses_hold_loopback() -> None:
    assert ip_address("127.0.0.1") in own_addresses()


@pytest.mark.parametrize(
    ("text", "service"),
    [("10.1.2.3:80", ("10.1.2.3", 80)), ("[fd00::1]:65535", ("fd00::1", 65535)), (" 10.1.2.3:1 ", ("10.1.2.3", 1))],
)
def test_services_are_read(text: str, service: tuple[str, int]) -> None:
    assert parse_service(text) == (ip_address(service[0]), service[1])


@pytest.mark.parametrize(
    "text", ["", "80", "10.1.2.3", "10.1.2.3:", "10.1.2.3:0", "10.1.2.3:65536", "fd00::1:80", "[10.1.2.3]:80", "x:80"]
)
def test_what_is_no_service_is_said(text: str) -> None:
    with pytest.raises(InputFault, match="is not a service: write ADDR:PORT"):
        parse_service(text)


@pytest.mark.parametrize("text", ["10.17.15.1/24", "x", "10.0.0.0/33", ""])
def test_what_is_no_network_is_said(text: str) -> None:
    with pytest.raises(InputFault, match="network"):
        parse_network(text)
