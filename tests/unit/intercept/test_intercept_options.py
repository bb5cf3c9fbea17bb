"""The command line of gryphon-intercept: one sentence for each mistake, and what a right one means."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gryphon.controller.errors import InputFault
from gryphon.controller.policy import parse_network, parse_service
from gryphon.intercept import options


def test_exactly_one_hook() -> None:
    assert options.choose_hook("eth0", None) == ("xdp", "eth0")
    assert options.choose_hook(None, "eth1") == ("tc", "eth1")
    with pytest.raises(InputFault, match="exclude each other"):
        options.choose_hook("eth0", "eth1")
    with pytest.raises(InputFault, match="--tc eth0 on the server under test, --xdp eth0 on a helper host"):
        options.choose_hook(None, None)


def test_detach_takes_its_interface_from_wherever_it_stands() -> None:
    assert options.detach_from(None, "eth0", None) is None
    assert options.detach_from("eth0", None, None) == "eth0"
    assert options.detach_from("", "eth0", None) == "eth0"
    assert options.detach_from("eth0", None, "eth0") == "eth0"
    for detach, xdp in (("", None), ("eth0", "eth1")):
        with pytest.raises(InputFault, match="name the one interface to detach from"):
            options.detach_from(detach, xdp, None)


def test_lists_are_separated_by_commas() -> None:
    assert options.parse_list("--allow-ranges", None, parse_network) is None
    assert options.parse_list("--allow-ranges", "10.0.0.0/8, fd00::/8", parse_network) == [
        ip_network("10.0.0.0/8"),
        ip_network("fd00::/8"),
    ]
    assert options.parse_list("--allow-services", "[fd00::1]:80", parse_service) == [(ip_address("fd00::1"), 80)]
    with pytest.raises(InputFault, match="--allow-ranges names nothing"):
        options.parse_list("--allow-ranges", ",", parse_network)


def test_linger_has_bounds() -> None:
    assert options.check_linger(0) == 0
    for seconds in (-1.0, 1e9, float("nan")):
        with pytest.raises(InputFault, match="--linger is 0 to 86400 seconds"):
            options.check_linger(seconds)


def test_a_sample_is_a_multiple_of_eight_up_to_1024() -> None:
    assert [options.check_sample(sample) for sample in (0, 8, 1024)] == [0, 8, 1024]
    for sample in (-8, 7, 1032):
        with pytest.raises(InputFault, match=f"--sample is a multiple of 8 from 0 to 1024 bytes, not {sample}"):
            options.check_sample(sample)


def test_xdp_modes_are_three() -> None:
    assert options.parse_mode("generic") == "generic"
    with pytest.raises(InputFault, match="native, generic or auto, not 'fast'"):
        options.parse_mode("fast")
