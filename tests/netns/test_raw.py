"""Raw sockets put exactly the built packets on the wire; what the host refuses is counted, never fatal."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pytest
from pyroute2.nftables.main import NFTables
from scapy.layers.inet import IP, TCP
from wires import PAYLOAD, TARGETS, Wire, batch, check, isolated, run

from gryphon.sender.transmit import sockets
from gryphon.sender.transmit.interface import Target
from gryphon.sender.transmit.raw import RawTransmitter


@pytest.fixture
def wire() -> Iterator[Wire]:
    with isolated() as made:
        yield made


@pytest.mark.parametrize("target", [0, 1], ids=["IPv4", "IPv6"])
def test_every_packet_of_several_batches_arrives_as_built(wire: Wire, target: int) -> None:
    transmitter = RawTransmitter(TARGETS[target : target + 1], PAYLOAD, batch=16)
    packets = batch(100, target)
    sent = packets.copy()
    sent["target"] = 0
    assert transmitter.send(sent) == 100
    for seen, packet in zip(wire.seen(100), packets, strict=True):
        check(seen, packet)
    assert transmitter.errors() == {}
    transmitter.close()
    transmitter.close()


def test_a_batch_of_both_ip_versions_keeps_its_order(wire: Wire) -> None:
    packets = np.stack([batch(20, 0), batch(20, 1)], axis=1).reshape(-1)
    transmitter = RawTransmitter(TARGETS, PAYLOAD)
    assert transmitter.send(packets) == 40
    for seen, packet in zip(wire.seen(40), packets, strict=True):
        check(seen, packet)
    transmitter.close()


def test_identifications_of_ipv4_packets_differ(wire: Wire) -> None:
    transmitter = RawTransmitter(TARGETS[:1], PAYLOAD, batch=8)
    transmitter.send(batch(20))
    identifications = {IP(seen).id for seen in wire.seen(20)}
    assert len(identifications) == 20
    assert 0 not in identifications
    transmitter.close()


@pytest.mark.parametrize("target", [0, 1], ids=["IPv4", "IPv6"])
def test_a_packet_above_the_mtu_is_counted_and_the_rest_goes_on(wire: Wire, target: int) -> None:
    packets = batch(5, target)
    packets["length"][[1, 4]] = 3000
    transmitter = RawTransmitter(TARGETS, PAYLOAD)
    assert transmitter.send(packets) == 5
    for seen, packet in zip(wire.seen(3), packets[[0, 2, 3]], strict=True):
        check(seen, packet)
    error = transmitter.errors()["EMSGSIZE"]
    assert error.packets == 2
    assert f"{TARGETS[target].address}" in error.example
    assert "3000 bytes" in error.example
    assert transmitter.refused_rows().tolist() == [1, 4]
    assert transmitter.refused_rows().tolist() == []
    transmitter.close()


def test_a_firewall_that_forbids_is_counted(wire: Wire) -> None:
    with NFTables() as nft:
        nft.table("add", name="gryphon")
        nft.chain("add", table="gryphon", name="out", hook="output", type="filter", policy=0)
    transmitter = RawTransmitter(TARGETS, PAYLOAD)
    assert transmitter.send(batch(7)) == 7
    assert transmitter.errors()["EPERM"].packets == 7
    transmitter.close()


def test_a_target_without_a_route_is_counted(wire: Wire) -> None:
    nowhere = Target(IPv4Address("192.0.2.1"), 80, 0)
    transmitter = RawTransmitter([TARGETS[0], nowhere], PAYLOAD)
    packets = batch(4)
    packets["target"][1:3] = 1
    assert transmitter.send(packets) == 4
    assert transmitter.errors()["ENETUNREACH"].packets == 2
    assert [IP(seen)[TCP].seq for seen in wire.seen(2)] == [0, 3]
    transmitter.close()


def test_a_full_device_queue_is_back_pressure_and_loses_nothing(wire: Wire) -> None:
    Path("/proc/sys/net/ipv6/conf/gr-res-a/disable_ipv6").write_text("1")  # no packets but ours in the queue
    run("tc qdisc add dev gr-res-a root tbf rate 8kbit burst 1600 limit 20000")
    transmitter = RawTransmitter(TARGETS, PAYLOAD)
    packets = batch(200, length=1000)
    taken = transmitter.send(packets)
    statistics = json.loads(run("tc -s -j qdisc show dev gr-res-a"))[0]
    assert 0 < taken < 200
    assert statistics["drops"] > 0
    assert statistics["packets"] + statistics["qlen"] == taken
    run("tc qdisc del dev gr-res-a root")
    transmitter.wait_writable(1)
    assert transmitter.send(packets[taken:]) == 200 - taken
    assert transmitter.errors() == {}
    transmitter.close()


def test_a_full_send_buffer_is_waited_out(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "SEND_BUFFER", 16_384)
    run("tc qdisc add dev gr-res-a root tbf rate 8kbit burst 1600 limit 100000000")
    transmitter = RawTransmitter(TARGETS, PAYLOAD)
    packets = batch(200, length=1000)
    taken = transmitter.send(packets)
    assert 0 < taken < 200
    assert json.loads(run("tc -s -j qdisc show dev gr-res-a"))[0]["drops"] == 0
    run("tc qdisc del dev gr-res-a root")  # frees what waited in it
    transmitter.wait_writable(10)
    assert transmitter.send(packets[taken:]) == 200 - taken
    transmitter.close()


def test_a_lost_socket_ends_the_run(wire: Wire) -> None:
    transmitter = RawTransmitter(TARGETS[:1], PAYLOAD)
    transmitter.close()
    with pytest.raises(OSError, match="EBADF") as raised:
        transmitter.send(batch(1))
    assert raised.value.errno == errno.EBADF
