"""Gateways, broadcast addresses and neighbours out of what the kernel's tables say."""

from __future__ import annotations

from typing import Any

import pyroute2
import pytest

from gryphon.controller.surroundings import surroundings


class Message(dict[str, Any]):
    """One message: fields, and attributes by their names."""

    def get_attr(self, name: str) -> Any:
        return self.get(name)


def address(text: str, length: int, broadcast: str | None = None) -> Message:
    return Message(prefixlen=length, IFA_LOCAL=text, IFA_ADDRESS=text, IFA_BROADCAST=broadcast)


def route(table: int = 254, **attributes: Any) -> Message:
    return Message(table=table, **attributes)


def neighbour(text: str, state: int, hardware: str | None = "02:00") -> Message:
    return Message(state=state, NDA_DST=text, NDA_LLADDR=hardware)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is found where the kernel's tables hold this."""

    def find(**tables: list[Message]) -> list[tuple[str, str]]:
        class Tables:
            def __getattr__(self, name: str) -> Any:
                return lambda **_: tables.get(name, [])

            def close(self) -> None:
                pass

        monkeypatch.setattr(pyroute2, "IPRoute", Tables)
        return sorted((str(one), whose) for one, whose in surroundings())

    return find


def test_each_network_has_its_broadcast_address_and_one_that_was_set_in_its_place(known: Any) -> None:
    found = known(
        get_addr=[
            address("10.16.15.117", 24, "10.16.15.255"),
            address("10.16.16.5", 25),
            address("10.16.17.1", 31),
            address("10.16.18.1", 32),
            address("10.16.19.1", 24, "10.16.19.128"),
            address("127.0.0.1", 8),
        ]
    )
    assert [one for one, _ in found] == ["10.16.15.255", "10.16.16.127", "10.16.19.128", "10.16.19.255"]
    assert {whose for _, whose in found} == {"a broadcast address of this host"}


def test_every_next_hop_of_every_route_is_a_gateway(known: Any) -> None:
    several = [Message(RTA_GATEWAY="10.16.15.2"), Message(RTA_VIA={"family": 10, "addr": "fd00::2"}), Message()]
    found = known(
        get_routes=[
            route(RTA_GATEWAY="10.16.15.1"),
            route(table=100, RTA_GATEWAY="fd00::1"),
            route(RTA_MULTIPATH=several),
            route(RTA_OIF=2),
            route(table=255, RTA_GATEWAY="10.16.15.9"),
        ]
    )
    assert [one for one, _ in found] == ["10.16.15.1", "10.16.15.2", "fd00::1", "fd00::2"]
    assert {whose for _, whose in found} == {"a gateway of this host"}


@pytest.mark.parametrize(
    ("state", "hardware", "is_somebody"),
    [
        (0x02, "02:00", True),
        (0x04, "02:00", True),
        (0x08, "02:00", True),
        (0x10, "02:00", True),
        (0x01, None, False),
        (0x20, None, False),
        (0x20, "02:00", False),
        (0x80, "02:00", False),
        (0x40, "02:00", False),
    ],
    ids=["reachable", "stale", "delay", "probe", "incomplete", "failed", "failed again", "permanent", "no ARP"],
)
def test_a_neighbour_is_who_has_answered(known: Any, state: int, hardware: str | None, is_somebody: bool) -> None:
    found = known(get_neighbours=[neighbour("10.17.15.9", state, hardware)])
    assert found == ([("10.17.15.9", "a neighbour of this host (02:00)")] if is_somebody else [])
