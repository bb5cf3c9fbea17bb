"""Transfers (``-x``): which recorded port goes to which server."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gryphon.controller.errors import InputFault
from gryphon.sender.transfers import parse_ports, parse_transfers


def test_one_port_goes_to_one_server() -> None:
    transfers = parse_transfers("80-10.16.15.118:8080")
    assert transfers.services == ((ip_address("10.16.15.118"), 8080),)
    assert transfers.targets == {80: 0}
    assert transfers.version == 4


def test_several_ports_may_share_a_server() -> None:
    transfers = parse_transfers("80-10.0.0.1:80, 8080-10.0.0.1:80,443-10.0.0.2:443")
    assert transfers.services == ((ip_address("10.0.0.1"), 80), (ip_address("10.0.0.2"), 443))
    assert transfers.targets == {80: 0, 8080: 0, 443: 1}


def test_an_ipv6_server_stands_in_brackets() -> None:
    transfers = parse_transfers("80-[fd00::118]:80")
    assert transfers.services == ((ip_address("fd00::118"), 80),)
    assert transfers.version == 6


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no transfer"),
        (",", "no transfer"),
        ("80", "not a transfer"),
        ("80-", "not a transfer"),
        ("x-10.0.0.1:80", "not a transfer"),
        ("80:10.0.0.1:80", "not a transfer"),
        ("10.0.0.9:80-10.0.0.1:80", "write 80-SERVER:PORT"),
        ("0-10.0.0.1:80", "not a TCP port"),
        ("65536-10.0.0.1:80", "not a TCP port"),
        ("80-10.0.0.1", "not a service"),
        ("80-10.0.0.1:0", "not a service"),
        ("80-10.0.0.1:70000", "not a service"),
        ("80-fd00::118:80", "not a service"),
        ("80-host:80", "not a service"),
        ("80-10.0.0.1:80,80-10.0.0.2:80", "transferred twice"),
        ("80-10.0.0.1:80,81-[fd00::1]:80", "mix IPv4 and IPv6"),
    ],
)
def test_a_wrong_transfer_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputFault, match=sentence) as caught:
        parse_transfers(text)
    assert caught.value.status == 2
    assert "\n" not in str(caught.value)


def test_ports_are_numbers_or_transfers() -> None:
    assert parse_ports("80, 443,80-10.0.0.1:8080") == {80: "10.0.0.1:8080", 443: None}


@pytest.mark.parametrize("wrong", ["", "http", "0", "70000", "80-", "80-nowhere:80", "1.1.1.1:80"])
def test_other_ports_are_refused(wrong: str) -> None:
    with pytest.raises(InputFault):
        parse_ports(wrong)
