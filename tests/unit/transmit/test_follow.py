"""A follower tells the transmitter of every change and nothing else; where there is no new hop, the last one stays."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import cast

import pytest
from pyroute2.netlink.exceptions import NetlinkError
from tables import FAILED, PERMANENT, REACHABLE, Netlink, link, route

from gryphon.controller.changes import Changes
from gryphon.sender.transmit.follow import Follower
from gryphon.sender.transmit.hops import Hop, find_hops, find_ways
from gryphon.sender.transmit.interface import Target
from gryphon.sender.transmit.netlink import Tables

TARGETS = [Target(IPv4Address("10.16.15.118"), 80, 0), Target(IPv4Address("10.50.0.9"), 80, 1)]
BEFORE, AFTER = "02:00:00:00:00:aa", "02:00:00:00:00:bb"


class Host(Netlink):
    """Two targets, one behind a gateway; says that something has changed when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.links[3] = link(3, "eth0")
        self.routes = {("10.16.15.118", 0): route(3), ("10.50.0.9", 0): route(3, "10.16.15.1")}
        self.neighbours = {(3, "10.16.15.118"): (REACHABLE, BEFORE), (3, "10.16.15.1"): (PERMANENT, BEFORE)}
        self.changed = False
        self.told: list[list[str]] = []

    def heard(self) -> bool:
        self.changed, changed = False, self.changed
        return changed

    def follow(self, hops: Sequence[Hop]) -> None:
        self.told.append([hop.next_hop.hex(":") for hop in hops])


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def follower(host: Host) -> Follower:
    tables = Tables(host)
    hops = find_hops(tables, find_ways(tables, TARGETS))
    made = Follower(tables, TARGETS, None, hops, host, cast(Changes, host))
    made.look()
    assert host.told == []
    host.used.clear()
    return made


def test_what_has_changed_since_the_hops_were_found_is_told_at_once(host: Host) -> None:
    tables = Tables(host)
    hops = find_hops(tables, find_ways(tables, TARGETS))
    host.neighbours[(3, "10.16.15.118")] = (REACHABLE, AFTER)
    Follower(tables, TARGETS, None, hops, host, cast(Changes, host)).look()
    assert host.told == [[AFTER, BEFORE]]


def test_another_hardware_address_is_told_once(host: Host, follower: Follower) -> None:
    host.neighbours[(3, "10.16.15.118")] = (REACHABLE, AFTER)
    host.changed = True
    follower.look()
    host.changed = True
    follower.look()
    assert host.told == [[AFTER, BEFORE]]


def test_without_news_nothing_is_looked_up(host: Host, follower: Follower) -> None:
    host.routes.clear()
    follower.look()
    assert host.told == []


def test_a_route_that_moves_to_another_gateway_is_followed(host: Host, follower: Follower) -> None:
    host.routes[("10.50.0.9", 0)] = route(3, "10.16.15.2")
    host.changed = True
    follower.look()
    assert host.told == []  # its gateway is not known yet, but asked for
    assert (3, "10.16.15.2") in host.used
    host.neighbours[(3, "10.16.15.2")] = (REACHABLE, AFTER)
    host.changed = True
    follower.look()
    assert host.told == [[BEFORE, AFTER]]


def test_a_neighbour_that_fails_keeps_its_last_address(host: Host, follower: Follower) -> None:
    host.neighbours[(3, "10.16.15.118")] = (FAILED, "")
    host.changed = True
    follower.look()
    assert host.told == []


def test_a_lost_route_is_said_once(host: Host, follower: Follower, caplog: pytest.LogCaptureFixture) -> None:
    kept = dict(host.routes)
    host.routes.clear()
    for _ in range(2):
        host.changed = True
        follower.look()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "no route to 10.16.15.118" in caplog.text
    host.routes.update(kept)
    host.neighbours[(3, "10.16.15.118")] = (REACHABLE, AFTER)
    host.changed = True
    follower.look()
    assert host.told == [[AFTER, BEFORE]]


def test_neighbours_are_kept_in_use_but_for_those_that_somebody_entered(host: Host, follower: Follower) -> None:
    follower.look()
    follower.look()
    assert host.used == [(3, "10.16.15.118")] * 2


def test_without_the_right_to_use_neighbours_changes_are_still_followed(host: Host, follower: Follower) -> None:
    asked = []

    def forbidden(index: int, address: str) -> None:
        asked.append(address)
        raise NetlinkError(errno.EPERM)

    host.on_use = forbidden
    follower.look()
    host.neighbours[(3, "10.16.15.118")] = (REACHABLE, AFTER)
    host.changed = True
    follower.look()
    assert host.told == [[AFTER, BEFORE]]
    assert len(asked) == 1
