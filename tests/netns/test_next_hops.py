"""Next hops are what the kernel of a real host knows or finds out, and its own entries are left as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from pyroute2.netns import setns

from gryphon.controller.changes import Changes
from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until
from gryphon.lab.wiring import LINKS, SERVER_V4, SERVER_V6
from gryphon.sender.transmit.follow import GROUPS, Follower
from gryphon.sender.transmit.hops import Hop, find_hops, find_ways
from gryphon.sender.transmit.interface import Target
from gryphon.sender.transmit.netlink import Tables

SENDER, SERVER = LINKS[0]
ADDRESSES = [SERVER_V4, SERVER_V6]


@pytest.fixture
def sender(lab: Lab) -> Iterator[Lab]:
    """The test itself runs on the lab's sender; the server's addresses are in its neighbour table again at the end."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    setns(lab.namespace("sender"))
    try:
        yield lab
    finally:
        setns(home)
        os.close(home)
        for address in ADDRESSES:
            enter(lab, address)


def enter(lab: Lab, address: str, hardware: str = SERVER.mac) -> None:
    lab.run("sender", ["ip", "neigh", "replace", address, "lladdr", hardware, "dev", "eth0", "nud", "permanent"])


def forget(lab: Lab, address: str) -> None:
    lab.run("sender", ["ip", "neigh", "del", address, "dev", "eth0"])


def find(address: str, device: str | None = None, patience_s: float = 20) -> Hop:
    changes = Changes(GROUPS)
    tables = Tables()
    try:
        ways = find_ways(tables, [Target(ip_address(address), 80, 0)], device)
        return find_hops(tables, ways, changes.wait, patience_s)[0]
    finally:
        tables.close()
        changes.close()


@pytest.mark.parametrize("address", ADDRESSES, ids=["IPv4", "IPv6"])
def test_a_neighbour_that_the_kernel_does_not_know_is_asked_for(sender: Lab, address: str) -> None:
    # every host but the lab's has a link-local address to ask from
    sender.run("sender", ["ip", "addr", "replace", "fe80::17/64", "dev", "eth0", "nodad"])
    sender.run("server", ["ip", "addr", "replace", "fe80::18/64", "dev", "eth0", "nodad"])
    forget(sender, address)
    hop = find(address)
    assert (hop.device, hop.source.hex(":"), hop.next_hop.hex(":")) == ("eth0", SENDER.mac, SERVER.mac)
    assert (hop.mtu, hop.lower, hop.tags) == (1500, hop.index, ())


def test_a_neighbour_that_is_not_there_is_one_sentence(sender: Lab) -> None:
    with pytest.raises(EnvironmentFault, match=r"^10\.16\.15\.77 on eth0 does not say its hardware address"):
        find("10.16.15.77")


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9"])
def test_a_target_without_a_route_is_on_the_link_of_a_named_device(sender: Lab, address: str) -> None:
    enter(sender, address)
    assert find(address, "eth0").next_hop.hex(":") == SERVER.mac
    with pytest.raises(EnvironmentFault, match=f"no route to {address}"):
        find(address)


def test_a_device_without_ethernet_is_refused(sender: Lab) -> None:
    sender.run("sender", ["ip", "tuntap", "add", "dev", "gr-tun", "mode", "tun"])
    try:
        sender.run("sender", ["ip", "link", "set", "gr-tun", "up"])
        with pytest.raises(EnvironmentFault, match=r"^gr-tun.* no Ethernet frames \(link type 65534\).*raw"):
            find("192.0.2.9", "gr-tun")
    finally:
        sender.run("sender", ["ip", "tuntap", "del", "dev", "gr-tun", "mode", "tun"])
    with pytest.raises(EnvironmentFault, match="this host's own address"):
        find("127.0.0.1")


class Told(list[str]):
    """A transmitter that keeps what it is told of the first target."""

    def follow(self, hops: list[Hop]) -> None:
        self.append(hops[0].next_hop.hex(":"))


@pytest.fixture
def followed(sender: Lab) -> Iterator[tuple[Follower, Told]]:
    """A follower of the server."""
    changes, tables, told = Changes(GROUPS), Tables(), Told()
    targets = [Target(ip_address(SERVER_V4), 80, 0)]
    hops = find_hops(tables, find_ways(tables, targets))
    yield Follower(tables, targets, None, hops, told, changes), told
    tables.close()
    changes.close()


def test_a_neighbour_entry_that_changes_is_followed(sender: Lab, followed: tuple[Follower, Told]) -> None:
    follower, told = followed
    follower.look()
    assert told == []
    enter(sender, SERVER_V4, "02:00:00:00:00:99")
    follower.look()
    assert told == ["02:00:00:00:00:99"]
    shown = sender.run("sender", ["ip", "neigh", "show", SERVER_V4]).stdout
    assert "02:00:00:00:00:99 PERMANENT" in shown


def test_a_server_that_changes_its_address_without_a_word_is_found_again(
    sender: Lab, followed: tuple[Follower, Told]
) -> None:
    """Nothing but our frames goes to it, which the kernel does not see: without being told it would never ask again."""
    follower, told = followed
    sender.run("sender", ["sysctl", "-qw", "net.ipv4.neigh.eth0.delay_first_probe_time=0"])
    sender.run("sender", ["sysctl", "-qw", "net.ipv4.neigh.eth0.retrans_time_ms=20"])
    stale = ["ip", "neigh", "replace", SERVER_V4, "lladdr", SERVER.mac, "dev", "eth0", "nud", "stale"]
    sender.run("sender", stale)
    sender.run("server", ["ip", "link", "set", "dev", "eth0", "address", "02:00:10:16:15:55"])
    try:

        def found() -> bool:
            follower.look()
            return told == ["02:00:10:16:15:55"]

        until("the new address", found, seconds=20)
    finally:
        sender.run("server", ["ip", "link", "set", "dev", "eth0", "address", SERVER.mac])
