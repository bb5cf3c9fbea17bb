"""An answer seen on this host that no local interception has dropped is a certainty, and everything else is none."""

from __future__ import annotations

from collections import deque
from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP

from gryphon.controller.record import RECORD
from gryphon.controller.source import IPNetwork, Service
from gryphon.controller.strays import GRACE_NS
from gryphon.controller.strays import Place as Seen
from gryphon.sender.check.passing import Passing
from gryphon.sender.intercepts import Place

SERVICE: Service = (ip_address("10.16.15.118"), 80)
RANGE: IPNetwork = ip_network("10.17.15.0/24")
NOTHING = np.zeros(0, RECORD)
LOCAL = Place(hook="xdp", interface="eth1")


class Tap:
    """What is seen is what the test says."""

    def __init__(self) -> None:
        self.packets: deque[tuple[bytes, Seen]] = deque()
        self.watched: list[int] = []
        self.closed = False

    def fileno(self) -> int:
        raise AssertionError("nobody waits for it")

    def watch(self, pairs: list[tuple[Service, IPNetwork]]) -> None:
        self.watched.append(len(pairs))

    def read(self) -> tuple[bytes, Seen] | None:
        return self.packets.popleft() if self.packets else None

    def close(self) -> None:
        self.closed = True

    def see(self, interface: str, leaves: bool = False, target: str = "10.17.15.9") -> None:
        packet = bytes(IP(src="10.16.15.118", dst=target) / TCP(sport=80, dport=61002, flags="SA"))
        self.packets.append((packet, Seen(interface, leaves)))


@pytest.fixture
def tap() -> Tap:
    return Tap()


def passing(tap: Tap, *places: Place) -> Passing:
    return Passing(places or [LOCAL], [SERVICE], [RANGE], lambda: tap)


def looked(made: Passing, began: int = 0) -> tuple[str, str] | None:
    """The cause when the grace is over."""
    assert made.look(NOTHING, began) is None
    return made.look(NOTHING, began + GRACE_NS)


@pytest.mark.parametrize(
    ("place", "interface", "leaves", "verb", "mend"),
    [
        (LOCAL, "eth0", False, "come in by eth0", "-s xdp:eth0"),
        (Place(hook="tc", interface="eth0"), "eth0", False, "come in by eth0", "-s xdp:eth0"),
        (Place(hook="tc", interface="eth0"), "eth1", True, "leave by eth1", "-s tc:eth1"),
    ],
)
def test_where_it_was_seen_and_what_would_see_it_there_are_named(
    tap: Tap, place: Place, interface: str, leaves: bool, verb: str, mend: str
) -> None:
    made = passing(tap, place)
    tap.see(interface, leaves)
    watched = f"({place.hook}:{place.interface})"
    words = f"answers from 10.16.15.118:80 to 10.17.15.0/24 {verb} of this host, and not where they are dropped"
    assert looked(made) == (f"{words} {watched}", mend)


def test_it_looks_from_the_beginning_and_ends_with_the_first_record(tap: Tap) -> None:
    made = passing(tap)
    assert tap.watched == [1]
    tap.see("eth0")
    assert made.look(NOTHING, 0) is None
    assert made.look(np.zeros(1, RECORD), GRACE_NS) is None
    assert tap.closed
    assert made.look(NOTHING, GRACE_NS + 1) is None


def test_an_answer_to_another_range_is_none(tap: Tap) -> None:
    made = passing(tap)
    tap.see("eth0", target="10.18.15.9")
    assert looked(made) is None


def test_with_a_remote_intercept_alone_nothing_is_opened() -> None:
    def never() -> Tap:
        raise AssertionError("a tap was opened")

    made = Passing([Place("10.16.15.119", 36524)], [SERVICE], [RANGE], never)
    assert looked(made) is None


def test_who_may_not_look_sees_nothing() -> None:
    assert looked(Passing([LOCAL], [SERVICE], [RANGE], lambda: None)) is None


def test_all_local_places_are_named_and_the_look_ends_with_the_block(tap: Tap) -> None:
    with passing(tap, LOCAL, Place(hook="xdp", interface="eth2")) as made:
        tap.see("eth0")
        cause = looked(made)
    assert cause is not None
    assert "(xdp:eth1 and xdp:eth2)" in cause[0]
    assert tap.closed
