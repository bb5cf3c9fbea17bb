"""A hop is what the kernel's tables say; what they cannot say is one sentence that says what to do."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from pyroute2.netlink.exceptions import NetlinkError
from tables import FAILED, PERMANENT, REACHABLE, STALE, Netlink, link, route, vlan

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.transmit import hops
from gryphon.sender.transmit.hops import Hop, find_hops, find_ways
from gryphon.sender.transmit.interface import Target
from gryphon.sender.transmit.netlink import Tables

SERVER = Target(IPv4Address("10.16.15.118"), 80, 0)
OTHER = Target(IPv4Address("10.50.0.9"), 80, 1)
SIX = Target(IPv6Address("fd00:16:15::118"), 80, 2)
MAC, GATEWAY = "02:00:10:16:15:18", "02:00:10:16:15:01"


@pytest.fixture
def kernel() -> Netlink:
    """A host with one network card, its server on the link, and a gateway to elsewhere."""
    made = Netlink()
    made.links = {1: link(1, "lo", kind=772), 3: link(3, "eth0")}
    made.routes[("10.16.15.118", 0)] = route(3)
    made.routes[("10.50.0.9", 0)] = route(3, "10.16.15.1")
    made.neighbours = {(3, "10.16.15.118"): (REACHABLE, MAC), (3, "10.16.15.1"): (STALE, GATEWAY)}
    return made


def find(kernel: Netlink, *targets: Target, device: str | None = None) -> list[Hop]:
    tables = Tables(kernel)
    return find_hops(tables, find_ways(tables, targets, device), wait=lambda seconds: None, patience_s=0.05)


def test_a_target_on_the_link_is_its_own_next_hop_and_another_s_is_the_gateway(kernel: Netlink) -> None:
    source = bytes((2, 0, 0, 0, 0, 3))
    on_link = Hop("eth0", 3, source, bytes.fromhex(MAC.replace(":", "")), 1500, 3, ())
    behind = on_link._replace(next_hop=bytes.fromhex(GATEWAY.replace(":", "")))
    assert find(kernel, SERVER, OTHER, SERVER) == [on_link, behind, on_link]
    assert kernel.used == []


def test_an_ipv6_gateway_of_an_ipv4_route_is_the_next_hop(kernel: Netlink) -> None:
    via = ("RTA_VIA", {"family": 10, "addr": "fe80::1"})
    kernel.routes[("10.50.0.9", 0)] = route(3, None, 1, via)
    kernel.neighbours[(3, "fe80::1")] = (REACHABLE, GATEWAY)
    assert find(kernel, OTHER)[0].next_hop.hex(":") == GATEWAY


def test_a_route_s_own_limit_is_the_mtu_where_it_is_smaller(kernel: Netlink) -> None:
    limit = ("RTA_METRICS", {"attrs": [["RTAX_MTU", 1300]]})
    kernel.routes[("10.50.0.9", 0)] = route(3, "10.16.15.1", 1, limit)
    assert [hop.mtu for hop in find(kernel, SERVER, OTHER)] == [1500, 1300]


def test_a_vlan_interface_is_taken_apart_from_the_wire_up(kernel: Netlink) -> None:
    kernel.links[4] = vlan(4, "eth0.7", 3, 7, ("IFLA_VLAN_PROTOCOL", 0x88A8))
    egress = {
        "attrs": [["IFLA_VLAN_QOS_MAPPING", {"from": 5, "to": 1}], ["IFLA_VLAN_QOS_MAPPING", {"from": 0, "to": 3}]]
    }
    kernel.links[5] = vlan(5, "inner", 4, 100, ("IFLA_VLAN_PROTOCOL", 0x8100), ("IFLA_VLAN_EGRESS_QOS", egress))
    kernel.routes[("10.16.15.118", 0)] = route(5)
    kernel.neighbours[(5, "10.16.15.118")] = (PERMANENT, MAC)
    hop = find(kernel, SERVER)[0]
    assert (hop.device, hop.index, hop.lower) == ("inner", 5, 3)
    assert hop.tags == ((0x88A8, 7), (0x8100, 3 << 13 | 100))


def test_a_vlan_interface_whose_card_is_in_another_namespace_is_left_whole(kernel: Netlink) -> None:
    info = {"attrs": [["IFLA_INFO_KIND", "vlan"], ["IFLA_INFO_DATA", {"attrs": [["IFLA_VLAN_ID", 7]]}]]}
    below = ("IFLA_LINK", 9), ("IFLA_LINKINFO", info), ("IFLA_LINK_NETNSID", 0)
    kernel.links[3] = link(3, "eth0", *below)
    hop = find(kernel, SERVER)[0]
    assert (hop.lower, hop.tags) == (3, ())


def test_a_veth_s_other_end_is_not_below_it(kernel: Netlink) -> None:
    kernel.links[3] = link(3, "eth0", ("IFLA_LINK", 1), ("IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", "veth"]]}))
    assert find(kernel, SERVER)[0].lower == 3


def test_with_a_device_its_own_routes_count(kernel: Netlink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.if_nametoindex", {"eth7": 7}.__getitem__)
    kernel.links[7] = link(7, "eth7")
    kernel.routes[("10.50.0.9", 7)] = route(7, "10.7.0.1")
    kernel.neighbours[(7, "10.7.0.1")] = (REACHABLE, GATEWAY)
    kernel.neighbours[(7, "fd00:16:15::118")] = (REACHABLE, MAC)
    behind, on_link = find(kernel, OTHER, SIX, device="eth7")  # IPv6 has no route by eth7
    assert (behind.index, behind.next_hop.hex(":")) == (7, GATEWAY)
    assert (on_link.index, on_link.next_hop.hex(":")) == (7, MAC)


def test_a_link_local_target_is_looked_for_on_its_own_link(kernel: Netlink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.if_nametoindex", {"eth0": 3}.__getitem__)
    kernel.routes[("fe80::9", 3)] = route(3)
    kernel.neighbours[(3, "fe80::9")] = (REACHABLE, MAC)
    assert find(kernel, Target(IPv6Address("fe80::9%eth0"), 80, 0))[0].next_hop.hex(":") == MAC


def test_unknown_neighbours_are_asked_for_once_and_awaited(kernel: Netlink) -> None:
    kernel.neighbours = {(3, "10.16.15.1"): (FAILED, "")}
    asked = iter([("10.16.15.118", MAC), ("10.16.15.1", GATEWAY)])
    tables = Tables(kernel)

    def answer(seconds: float) -> None:
        address, hardware = next(asked)
        kernel.neighbours[(3, address)] = (REACHABLE, hardware)

    kernel.on_use = lambda index, address: kernel.neighbours.__setitem__((index, address), (1, ""))
    found = find_hops(tables, find_ways(tables, [SERVER, OTHER, SERVER]), wait=answer, patience_s=60)
    assert [hop.next_hop.hex(":") for hop in found] == [MAC, GATEWAY, MAC]
    assert kernel.used == [(3, "10.16.15.118"), (3, "10.16.15.1")]


@pytest.mark.parametrize("state", [1, FAILED], ids=["no answer in time", "given up"])
def test_a_neighbour_that_does_not_answer_is_one_sentence(kernel: Netlink, state: int) -> None:
    kernel.neighbours = {}
    kernel.on_use = lambda index, address: kernel.neighbours.__setitem__((index, address), (state, ""))
    with pytest.raises(EnvironmentFault, match=r"^10\.16\.15\.1, the gateway to 10\.50\.0\.9, on eth0 does not say"):
        find(kernel, OTHER)


def test_an_unknown_neighbour_that_may_not_be_asked_for_is_one_sentence(kernel: Netlink) -> None:
    kernel.neighbours = {}

    def forbidden(index: int, address: str) -> None:
        raise NetlinkError(errno.EPERM)

    kernel.on_use = forbidden
    with pytest.raises(
        EnvironmentFault, match=r"10\.16\.15\.118 on eth0 is not known, and only CAP_NET_ADMIN .* `ping`"
    ):
        find(kernel, SERVER)


def _tunnel(kernel: Netlink) -> None:
    kernel.links[3] = link(3, "wg0", kind=65_534)


def _local(kernel: Netlink) -> None:
    kernel.routes[("10.16.15.118", 0)] = route(1, None, 2)


def _down(kernel: Netlink) -> None:
    kernel.links[3] = link(3, "eth0", up=False)


def _broadcast(kernel: Netlink) -> None:
    kernel.routes[("10.16.15.118", 0)] = route(3, None, 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_tunnel, r"^wg0, by which 10\.16\.15\.118 is reached, carries no Ethernet .*65534.*--transmit raw"),
        (_local, r"^10\.16\.15\.118 is this host's own address.*--transmit raw$"),
        (_down, r"^eth0 is down: `ip link set dev eth0 up`"),
        (_broadcast, r"leads to no single host"),
        (lambda kernel: kernel.routes.clear(), r"no route to 10\.16\.15\.118 \(Network is unreachable\).* -o$"),
    ],
    ids=["tunnel", "own address", "down", "broadcast", "no route"],
)
def test_a_way_without_frames_is_one_sentence(kernel: Netlink, change: Any, sentence: str) -> None:
    change(kernel)
    with pytest.raises(EnvironmentFault, match=sentence):
        find(kernel, SERVER)


def test_a_device_that_is_not_there_is_one_sentence(kernel: Netlink) -> None:
    with pytest.raises(EnvironmentFault, match=r"^there is no interface gr-nowhere on this host; there are: .*lo"):
        find(kernel, SERVER, device="gr-nowhere")


def test_the_patience_is_that_of_the_kernel_s_own_question() -> None:
    assert hops.PATIENCE_S == 3
