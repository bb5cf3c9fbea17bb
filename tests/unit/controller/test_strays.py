"""A grant whose answers pass the interception by is found out, and no other one."""

from __future__ import annotations

import os
import re
from collections import deque
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from fakes import records_of
from serving import RANGE, SERVICE
from test_straying import packet

from gryphon.controller.errors import GrantLost
from gryphon.controller.leases import Lease
from gryphon.controller.source import IPNetwork, Service
from gryphon.controller.straying import Asked
from gryphon.controller.strays import GRACE_NS, WATCH_NS, Astray, Place, Strays, advice
from gryphon.lab.waiting import until


class FakeTap:
    """What was seen is what the test says."""

    def __init__(self) -> None:
        self.packets: deque[tuple[bytes, Place]] = deque()
        self.pairs: list[tuple[Service, IPNetwork]] = []
        self.wake = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self.wake

    def watch(self, pairs: list[tuple[Service, IPNetwork]]) -> None:
        self.pairs = pairs

    def read(self) -> tuple[bytes, Place] | None:
        return self.packets.popleft() if self.packets else None

    def close(self) -> None:
        os.close(self.wake)

    def see(self, interface: str, leaves: bool, made: bytes | None = None) -> None:
        self.packets.append((packet() if made is None else made, Place(interface, leaves)))
        os.eventfd_write(self.wake, 1)


def lease(generation: int = 1, network: str = "10.17.15.0/24") -> Lease:
    asked = Asked(((ip_address("10.16.15.118"), 80),), (ip_network(network),))
    return Lease(generation, [], [], "somebody", asked=asked)


def looked(
    strays: Strays, tap: FakeTap, living: dict[int, Lease], *seen: tuple[str, bool]
) -> list[tuple[Lease, Astray]]:
    """A grant at 0, packets at 1, and what is judged when the grace is over."""
    assert strays.judge(living, 0) == []
    for interface, leaves in seen:
        tap.see(interface, leaves)
    strays.take(1)
    assert strays.judge(living, GRACE_NS) == []
    return strays.judge(living, GRACE_NS + 1)


@pytest.mark.parametrize(
    ("hook", "seen", "words"),
    [
        ("xdp", [("eth1", False)], "come in by eth1 .* gryphon-intercept --xdp eth1"),
        ("xdp", [("eth0", True)], "leave by eth0 .* gryphon-intercept --tc eth0"),
        ("tc", [("eth1", True)], "leave by eth1 .* gryphon-intercept --tc eth1"),
        ("tc", [("eth0", False)], "come in by eth0 .* gryphon-intercept --xdp eth0"),
        ("tc", [("veth7", False), ("eth1", True)], "leave by eth1 .* gryphon-intercept --tc eth1"),
        ("xdp", [("eth1", True), ("eth0", False)], "come in by eth0 .* gryphon-intercept --xdp eth0"),
    ],
)
def test_the_right_place_is_named(hook: str, seen: list[tuple[str, bool]], words: str) -> None:
    tap, held = FakeTap(), lease()
    ((found, astray),) = looked(Strays(hook, tap), tap, {1: held}, *seen)
    assert found is held
    why = advice(astray)
    assert why.startswith("answers from 10.16.15.118:80 to 10.17.15.0/24 ")
    assert re.search(words, why)
    assert tap.pairs == []


def test_a_grant_with_records_is_well_whatever_else_is_seen() -> None:
    tap = FakeTap()
    strays = Strays("xdp", tap)
    assert strays.judge({1: lease()}, 0) == []
    tap.see("eth1", False)
    strays.take(1)
    strays.heard(records_of(1, 3))
    assert strays.judge({1: lease()}, WATCH_NS) == []
    assert tap.pairs == []


def test_records_of_another_grant_say_nothing() -> None:
    tap = FakeTap()
    strays, living = Strays("xdp", tap), {1: lease(), 2: lease(2, "10.18.0.0/16")}
    strays.judge(living, 0)
    assert len(tap.pairs) == 2
    strays.heard(records_of(2, 3))
    tap.see("eth1", False)
    strays.take(1)
    assert [found.generation for found, _ in strays.judge(living, GRACE_NS + 1)] == [1]


def test_after_a_while_and_with_the_grant_it_stops_looking() -> None:
    tap = FakeTap()
    strays = Strays("xdp", tap)
    strays.judge({1: lease()}, 0)
    assert tap.pairs
    assert strays.deadline() == WATCH_NS
    strays.judge({1: lease()}, WATCH_NS + 1)
    assert tap.pairs == []
    strays.judge({1: lease(), 2: lease(2)}, WATCH_NS + 2)
    assert len(tap.pairs) == 1
    strays.judge({}, WATCH_NS + 3)
    assert tap.pairs == []
    assert strays.deadline() == 1 << 62


def test_a_number_that_is_granted_again_is_a_new_grant() -> None:
    tap = FakeTap()
    strays = Strays("xdp", tap)
    strays.judge({1: lease()}, 0)
    strays.heard(records_of(1, 1))
    strays.judge({}, 1)
    strays.judge({1: lease()}, 2)
    assert tap.pairs


def test_without_a_tap_nothing_is_looked_for() -> None:
    strays = Strays("xdp", None)
    assert strays.judge({1: lease()}, 0) == []
    assert (strays.fileno(), strays.deadline()) == (None, 1 << 62)
    strays.take(0)
    strays.close()


def test_the_sender_is_told_and_its_grant_ends(serve: Any) -> None:
    tap = FakeTap()
    running = serve(strays=Strays("xdp", tap))
    channel = running.connect(services=[SERVICE], ranges=[RANGE])
    until("the tap to be open", lambda: tap.pairs or None)
    tap.see("eth7", False)
    with pytest.raises(GrantLost, match=r"ended the grant: answers from 10.16.15.118:80 to .* come in by eth7"):
        until("the end of the grant", lambda: len(channel.read()) or None)
    until("the lease to be gone", lambda: not running.server.leases.living)
