"""Before a run the link is asked for forged addresses on it where all can be asked for, else nobody is asked."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from gryphon.controller.source import IPAddress
from gryphon.sender.check import network
from gryphon.sender.check.facts import Interface
from gryphon.sender.check.network import FEW, ask_for_few, ask_for_strangers
from gryphon.sender.transmit.netlink import Neighbour

ETH0 = Interface("eth0", 2, addresses=(ip_interface("10.16.15.117/24"), ip_interface("fd00:16:15::117/64")))
UNKNOWN, STALE, PERMANENT = Neighbour(0, b""), Neighbour(0x04, bytes(6)), Neighbour(0x80, bytes(6))


class Tables:
    """Remembers who is asked for; each answers at once, or nobody."""

    def __init__(self, known: dict[str, Neighbour] | None = None, may: bool = True, answers: bool = True) -> None:
        self.known, self.may = known or {}, may
        self.used: list[tuple[int, str]] = []
        self.netlink = SimpleNamespace(get_neighbours=lambda: [self._entry(each) for each in self.used if answers])

    def neighbour(self, index: int, address: IPAddress) -> Neighbour:
        return self.known.get(str(address), UNKNOWN)

    def use(self, index: int, address: IPAddress) -> None:
        if not self.may:
            raise PermissionError(1, "no CAP_NET_ADMIN")
        self.used.append((index, str(address)))

    def _entry(self, used: tuple[int, str]) -> Any:
        attributes = {"NDA_DST": used[1], "NDA_LLADDR": "02:00:00:00:00:07"}
        return type("Message", (dict,), {"get_attr": lambda self, name: attributes[name]})(state=2, ifindex=used[0])


def asked(text: str, tables: Tables, there: Interface = ETH0) -> list[str]:
    ask_for_few(tables.netlink, tables, [ip_network(part) for part in text.split(",")], [there])  # type: ignore[arg-type]
    return [address for _, address in tables.used]


@pytest.mark.parametrize(
    ("clients", "wanted"),
    [
        ("10.16.15.9/32", ["10.16.15.9"]),
        ("10.16.15.8/31,10.16.15.20/32", ["10.16.15.8", "10.16.15.9", "10.16.15.20"]),
        ("10.16.15.116/31", ["10.16.15.116"]),
        ("10.16.15.0/30", ["10.16.15.1", "10.16.15.2", "10.16.15.3"]),
        ("10.16.15.254/31", ["10.16.15.254"]),
        ("fd00:16:15::9/128", ["fd00:16:15::9"]),
        ("10.17.15.9/32", []),
        ("fd00:17::9/128", []),
    ],
    ids=["one", "several", "its own", "the network's", "broadcast", "IPv6", "elsewhere", "elsewhere, IPv6"],
)
def test_each_address_on_the_link_that_a_host_may_have_is_asked_for(clients: str, wanted: list[str]) -> None:
    assert asked(clients, Tables()) == wanted


def test_all_are_asked_for_or_nobody() -> None:
    assert len(asked("10.16.15.64/29", Tables())) == FEW == 8
    assert asked("10.16.15.64/29,10.16.15.80/32", Tables()) == []
    assert asked("10.16.15.0/24", Tables()) == []
    assert asked("10.16.0.0/16", Tables()) == []
    assert asked("fd00:16:15::/64", Tables()) == []


@pytest.mark.parametrize("entry", [STALE, PERMANENT])
@pytest.mark.parametrize("ask", [ask_for_few, ask_for_strangers])
def test_who_is_known_is_not_asked_so_that_an_entry_made_by_hand_stays(ask: Any, entry: Neighbour) -> None:
    tables = Tables({"10.16.15.8": entry})
    ask(tables.netlink, tables, [ip_network("10.16.15.8/31")], [ETH0])
    assert tables.used == [(2, "10.16.15.9")]


@pytest.mark.parametrize("there", [ETH0._replace(up=False), ETH0._replace(ethernet=False)], ids=["down", "no ARP"])
def test_a_link_without_neighbours_is_not_asked(there: Interface) -> None:
    assert asked("10.16.15.9/32", Tables(), there) == []


def test_without_the_capability_nobody_is_asked_and_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_PATIENCE_S", float("inf"))
    assert asked("10.16.15.9/32", Tables(may=False)) == []


def test_it_waits_for_the_first_answer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_PATIENCE_S", float("inf"))
    assert asked("10.16.15.8/31", Tables()) == ["10.16.15.8", "10.16.15.9"]


def test_an_answer_that_never_comes_is_waited_for_no_longer_than_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_PATIENCE_S", 0.0)
    assert asked("10.16.15.9/32", Tables(answers=False)) == ["10.16.15.9"]
