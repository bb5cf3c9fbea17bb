"""What nobody may forge, as a table; and addresses that are known to be somebody's."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gryphon.controller.forged import objection, overlap


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0.0.0.0/0", "unspecified addresses"),
        ("0.1.2.3", "unspecified addresses"),
        ("127.0.0.0/8", "loopback addresses"),
        ("127.255.255.255", "loopback addresses"),
        ("126.0.0.0/7", "loopback addresses"),
        ("169.254.0.0/24", "link-local addresses"),
        ("224.0.0.0/24", "multicast addresses"),
        ("239.255.255.255", "multicast addresses"),
        ("255.255.255.255", "the broadcast address"),
        ("255.255.255.0/24", "the broadcast address"),
        ("::", "the unspecified address"),
        ("::1", "the loopback address"),
        ("::/64", "the unspecified address"),
        ("::ffff:10.17.15.0/120", "IPv4 addresses mapped into IPv6"),
        ("fe80::/64", "link-local addresses"),
        ("febf::/16", "link-local addresses"),
        ("ff02::/16", "multicast addresses"),
    ],
)
def test_special_addresses_are_refused_by_their_kind(text: str, kind: str) -> None:
    network = ip_network(text)
    said = objection([network], [])
    assert said.startswith(f"the forged range {network} contains {kind} (")
    assert said.endswith("which nobody may forge")


@pytest.mark.parametrize(
    "text",
    ["10.0.0.0/8", "1.0.0.0/8", "126.0.0.0/8", "128.0.0.0/8", "169.253.0.0/16", "223.0.0.0/8", "fc00::/7", "2a00::/12"],
)
def test_what_lies_beside_them_is_not(text: str) -> None:
    assert objection([ip_network(text)], []) == ""


def test_an_address_of_somebody_is_named_with_its_range_and_owner() -> None:
    ranges = [ip_network("10.17.14.0/24"), ip_network("10.17.15.0/24")]
    taken = [(ip_address("10.16.0.1"), "x"), (ip_address("10.17.15.1"), "a gateway of this host")]
    assert objection(ranges, taken) == "the forged range 10.17.15.0/24 contains 10.17.15.1, a gateway of this host"
    assert objection(ranges[:1], taken) == ""


def test_networks_of_two_versions_share_nothing() -> None:
    everything, everything_6 = ip_network("0.0.0.0/0"), ip_network("::/0")
    assert not overlap(everything, everything_6)
    assert not overlap(everything_6, everything)
    assert overlap(everything, ip_network("10.0.0.0/8"))
    assert overlap(ip_network("fd00::/64"), everything_6)
