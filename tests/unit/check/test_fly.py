"""Canaries fly one after the other with a grant, tell each step as it happens, and always give the grant back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import AWAY, RANGE, SERVICE

from gryphon.controller.ended import Ended
from gryphon.controller.errors import EnvironmentFault, GrantLost, GrantRefused
from gryphon.controller.record import RECORD, Records
from gryphon.controller.source import IPNetwork, Service
from gryphon.sender.check import exchange
from gryphon.sender.check import fly as flying
from gryphon.sender.check.canary import ACK, RST, SYN, Outcome
from gryphon.sender.check.fly import MOST, Flown, Request, fly
from gryphon.sender.intercepts import Batch, Place
from gryphon.sender.ranges import parse_pool
from gryphon.sender.replay.packet import Packets
from gryphon.sender.transmit.interface import SendError

Answer = Callable[[Any], Records | Exception | None]


class World:
    """Transmitter, network, server and intercept in one; ``answer`` says what a packet brings."""

    def __init__(self, answer: Answer, taken: int = 1000) -> None:
        self.answer = answer
        self.packets: list[Any] = []
        self.log: list[str] = []
        self.refusing = ""
        self.fault: Exception | None = None
        self._taken = taken
        self._records: list[Records] = []
        self._refused: dict[str, SendError] = {}
        self.opened = [SimpleNamespace(grant=SimpleNamespace(intercept="xdp on eth0 (native)"))]

    def send(self, packets: Packets) -> int:
        for packet in packets[: self._taken]:
            self.packets.append(packet.copy())
            if self.refusing:
                before = self._refused.get(self.refusing, SendError(0, ""))
                self._refused[self.refusing] = before._replace(packets=before.packets + 1)
                continue
            brought = self.answer(packet)
            if isinstance(brought, Exception):
                self.fault = brought
            elif brought is not None:
                self._records.append(brought)
        return min(len(packets), self._taken)

    def wait_writable(self, timeout_s: float) -> None:
        self.log.append("waited")

    def errors(self) -> dict[str, SendError]:
        return dict(self._refused)

    def wait(self, seconds: float) -> None:
        pass

    def read(self) -> Batch:
        if self.fault is not None:
            raise self.fault
        records, self._records = self._records, []
        return Batch(np.concatenate([np.zeros(0, RECORD), *records]), np.zeros((0, 0), np.uint8))

    def close(self, clean: bool | None = None, how: Ended | None = None) -> list[str]:
        self.log.append("closed" if clean is None else f"grant given back, clean {clean}")
        return []


def answered(packet: Any, flags: int) -> Records:
    record = np.zeros(1, RECORD)
    record["address_hi"], record["address_lo"] = packet["source_hi"], packet["source_lo"]
    record["port"], record["flags"], record["version"] = packet["port"], flags, 4
    record["seq"], record["ack"] = 7, (int(packet["seq"]) + 1) & 0xFFFFFFFF
    return record


def serving(packet: Any) -> Records | None:
    """A server that greets at once, so that nothing has to be waited for."""
    if packet["flags"] == SYN:
        return answered(packet, SYN | ACK)
    if packet["flags"] == ACK:
        greeting = answered(packet, ACK)
        greeting["length"] = 20
        return greeting
    return None


def refusing(packet: Any) -> Records | None:
    return answered(packet, RST | ACK) if packet["flags"] == SYN else None


@pytest.fixture
def flown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Flown], list[str]]]:
    """Flies in a world; how it ended, and what was told."""

    def start(
        world: World, services: tuple[Service, ...] = (SERVICE,), clients: str = "10.17.15.*", refusal: Any = None
    ) -> tuple[list[Flown], list[str]]:
        def grant(*_: Any, **__: Any) -> World:
            if refusal:
                raise refusal
            return world

        monkeypatch.setattr(flying, "open_intercepts", grant)
        monkeypatch.setattr(flying, "_transmitter", lambda services: world)
        monkeypatch.setattr(exchange, "_LAST_S", 0.0)
        told: list[str] = []
        request = Request(services, parse_pool(clients), [Place("10.16.17.119", 36524)], "token", "auto")
        return fly(request, AWAY, told.append), told

    return start


def test_a_server_that_answers_is_connected_and_reset(flown: Any) -> None:
    world = World(serving)
    (one,), told = flown(world)
    assert (one.outcome, one.causes) == (Outcome.CONNECTED, ())
    assert [int(packet["flags"]) for packet in world.packets] == [SYN, ACK, RST]
    assert told == ["granted: answers to 10.17.15.0/24 are dropped by xdp on eth0 (native)", *one.steps]
    assert world.log == ["closed", "grant given back, clean True"]


def test_its_address_is_a_user_s_of_the_range(flown: Any) -> None:
    world = World(refusing)
    flown(world, clients="10.17.15.9,10.17.16.0/30")
    addresses = {ip_address(int(packet["source_lo"]) & 0xFFFFFFFF) for packet in world.packets}
    assert ip_address("10.17.15.9") in addresses
    assert addresses - {ip_address("10.17.15.9")} <= {ip_address("10.17.16.1"), ip_address("10.17.16.2")}
    assert all(32_768 <= packet["port"] <= 61_000 for packet in world.packets)


def test_every_server_and_range_has_one_up_to_a_bound(flown: Any) -> None:
    services = tuple((SERVICE[0], port) for port in (80, 81, 82))
    ended, _ = flown(World(refusing), services, "10.17.15.0/24,10.17.16.0/24")
    ranges: list[IPNetwork] = [RANGE, ip_network("10.17.16.0/24")]
    wanted = [(service, network) for service in services for network in ranges]
    assert [(one.flight.service, one.flight.network) for one in ended] == wanted[:MOST]
    assert {one.outcome for one in ended} == {Outcome.REFUSED}


def test_what_may_have_gone_wrong_is_told_in_order_with_what_mends_it(flown: Any) -> None:
    (one,), told = flown(World(refusing))
    assert told[-2].startswith(f"1. {one.causes[0].sentence}  ->  on the server: start it")
    assert told[-1].startswith("2. ")
    assert one.document() == {
        "server": "10.16.15.118 port 80",
        "range": "10.17.15.0/24",
        "intercept": "xdp on eth0 (native)",
        "outcome": "refused",
        "steps": list(one.steps),
        "causes": [cause._asdict() for cause in one.causes],
    }


def test_what_this_host_would_not_send_is_told_with_the_errno(flown: Any) -> None:
    world = World(serving)
    world.refusing = "EHOSTUNREACH"
    (one,), told = flown(world)
    assert (one.outcome, one.flight.error) == (Outcome.NOT_SENT, "EHOSTUNREACH")
    assert one.causes[0].mend == f"ip route add {SERVICE[0]} via GATEWAY"
    assert "this host refused to send it (EHOSTUNREACH)" in told


def test_an_earlier_refusal_is_not_the_next_one_s(flown: Any) -> None:
    world = World(refusing)
    world.refusing = "EPERM"

    def send(packets: Packets, through: Any = world.send) -> int:
        taken = through(packets)
        world.refusing = ""
        return int(taken)

    world.send = send  # type: ignore[method-assign]
    ended, _ = flown(world, clients="10.17.15.0/24,10.17.16.0/24")
    assert [one.outcome for one in ended] == [Outcome.NOT_SENT, Outcome.REFUSED]


def test_a_full_queue_is_waited_for(flown: Any) -> None:
    world = World(serving, taken=0)
    waits = []

    def wait(timeout_s: float) -> None:
        waits.append(timeout_s)
        world._taken = 1

    world.wait_writable = wait  # type: ignore[method-assign]
    (one,), _ = flown(world)
    assert (one.outcome, len(waits)) == (Outcome.CONNECTED, 1)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (GrantLost("the intercept ended the grant: answers come in by eth1"), Outcome.NO_GRANT),
        (EnvironmentFault("this process lacks CAP_NET_RAW"), Outcome.NOT_SENT),
    ],
)
def test_a_fault_on_the_way_grounds_it_and_the_grant_is_given_back(flown: Any, fault: Any, outcome: Outcome) -> None:
    world = World(lambda packet: fault)
    (one,), told = flown(world)
    assert (one.outcome, one.steps) == (outcome, (str(fault),))
    assert told[-1] == f"{outcome}: {fault}"
    assert world.log[-1] == "grant given back, clean True"


def test_without_a_grant_nothing_is_sent(flown: Any) -> None:
    world = World(serving)
    (one,), told = flown(world, refusal=GrantRefused("the intercept refuses: wrong token"))
    assert (one.outcome, told) == (Outcome.NO_GRANT, ["no grant: the intercept refuses: wrong token"])
    assert (world.packets, world.log) == ([], [])


def test_what_it_knows_of_the_way_is_this_host_s(flown: Any) -> None:
    (one,), _ = flown(World(refusing))
    assert (one.flight.leads, str(one.flight.own), one.flight.host) == ("eth0", "10.16.15.118", "10.16.17.119")
    assert replace(one.flight, host="").via == "10.16.15.118"
