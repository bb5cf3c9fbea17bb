"""Frames of the link transmitter are those that the host itself would send, past all that would touch them there."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pytest
from pyroute2.nftables.main import NFTables
from wires import PAYLOAD, TARGETS, Wire, batch, isolated, run

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.waiting import until
from gryphon.sender.transmit.hops import Hop, find_hops, find_ways
from gryphon.sender.transmit.interface import Target, Targets
from gryphon.sender.transmit.link import LinkTransmitter
from gryphon.sender.transmit.netlink import Tables
from gryphon.sender.transmit.raw import RawTransmitter


@pytest.fixture
def wire() -> Iterator[Wire]:
    with isolated() as made:
        yield made


def hops_to(targets: Targets) -> list[Hop]:
    tables = Tables()
    try:
        return find_hops(tables, find_ways(tables, targets))
    finally:
        tables.close()


def test_frames_are_byte_for_byte_those_of_raw_sockets(wire: Wire) -> None:
    packets = np.stack([batch(40, 0), batch(40, 1)], axis=1).reshape(-1)
    raw = RawTransmitter(TARGETS, PAYLOAD, batch=16)
    link = LinkTransmitter(TARGETS, PAYLOAD, hops_to(TARGETS), batch=16)
    assert raw.send(packets) == link.send(packets) == 80
    frames = wire.frames(160)
    assert frames[80:] == frames[:80]
    assert link.errors() == {}
    link.close()
    link.close()
    raw.close()


def test_a_firewall_on_the_way_out_does_not_see_them(wire: Wire) -> None:
    hops = hops_to(TARGETS)
    with NFTables() as nft:
        nft.table("add", name="gryphon")
        nft.chain("add", table="gryphon", name="out", hook="output", type="filter", policy=0)
    link, raw = LinkTransmitter(TARGETS, PAYLOAD, hops), RawTransmitter(TARGETS, PAYLOAD)
    packets = batch(7)
    assert raw.send(packets) == link.send(packets) == 7
    assert raw.errors()["EPERM"].packets == 7
    assert link.errors() == {}
    assert len(wire.frames(7)) == 7
    link.close()
    raw.close()


def test_a_packet_above_the_mtu_is_counted_and_the_rest_goes_on(wire: Wire) -> None:
    packets = batch(5)
    packets["length"] = [1448, 3000, 0, 1448, 1449]  # with IPv4, TCP and timestamps: 1500 bytes are 1448 of payload
    link = LinkTransmitter(TARGETS, PAYLOAD, hops_to(TARGETS))
    assert link.send(packets) == 5
    assert [len(frame) for frame in wire.frames(3)] == [1514, 66, 1514]
    assert link.errors()["EMSGSIZE"].packets == 2
    assert "3000 bytes" in link.errors()["EMSGSIZE"].example
    assert link.refused_rows().tolist() == [1, 4]
    link.close()


def test_frames_go_to_the_hops_that_it_was_told_of_last(wire: Wire) -> None:
    hops = hops_to(TARGETS)
    link = LinkTransmitter(TARGETS, PAYLOAD, hops)
    moved = [hop._replace(next_hop=bytes((2, 0, 0, 0, 0, 9))) for hop in hops]
    link.send(batch(2))
    link.follow(moved)
    link.send(batch(2))
    assert [frame[:6] for frame in wire.frames(4)] == [hops[0].next_hop] * 2 + [moved[0].next_hop] * 2
    link.close()


def test_a_device_that_has_gone_is_counted(wire: Wire) -> None:
    link = LinkTransmitter(TARGETS, PAYLOAD, hops_to(TARGETS))
    run("ip link del gr-res-a")
    assert link.send(batch(3)) == 3
    assert link.errors()["ENXIO"].packets == 3
    link.close()


def test_without_a_cable_frames_are_counted_and_nobody_waits_for_it(wire: Wire) -> None:
    link = LinkTransmitter(TARGETS, PAYLOAD, hops_to(TARGETS))
    run("ip link set gr-res-b down")
    assert link.send(batch(3)) == 3
    assert link.errors()["ENETDOWN"].packets == 3
    run("ip link set gr-res-b up")
    wire.tap.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # it has been told, too
    until("the carrier", lambda: json.loads(run("ip -j link show gr-res-a"))[0]["operstate"] == "UP")
    assert link.send(batch(2)) == 2
    assert len(wire.frames(2)) == 2
    link.close()


def test_a_full_device_is_back_pressure_and_loses_nothing(wire: Wire) -> None:
    """A tap of which nobody reads holds 50 frames; through a queueing discipline all would count as sent."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"gr-tap", 0x1002))  # TUNSETIFF: IFF_TAP, IFF_NO_PI
    Path("/proc/sys/net/ipv6/conf/gr-tap/disable_ipv6").write_text("1")  # no packets but ours in it
    run("ip link set gr-tap up txqueuelen 50")
    run("ip addr add 10.98.0.1/24 dev gr-tap")
    run("ip neigh add 10.98.0.2 lladdr 02:00:00:00:00:02 dev gr-tap nud permanent")
    targets = [Target(IPv4Address("10.98.0.2"), 80, 0)]
    link = LinkTransmitter(targets, PAYLOAD, hops_to(targets))
    packets = batch(200)
    taken = link.send(packets)
    assert taken == 50
    arrived = 0
    while taken < 200:
        arrived += _read(tap)
        link.wait_writable(1)
        taken += link.send(packets[taken:])
    assert arrived + _read(tap) == 200
    assert link.errors() == {}
    link.close()
    os.close(tap)


def _read(tap: int) -> int:
    """How many frames were waiting."""
    count = 0
    while True:
        try:
            os.read(tap, 2048)
        except BlockingIOError:
            return count
        count += 1


def test_its_socket_receives_nothing(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []
    monkeypatch.setattr("socket.socket", lambda *kind: opened.append(kept := _real(*kind)) or kept)
    link = LinkTransmitter(TARGETS[:1], PAYLOAD, hops_to(TARGETS[:1]))
    link.send(batch(3))
    wire.frames(3)
    packet = next(each for each in opened if each.family == socket.AF_PACKET)
    with pytest.raises(BlockingIOError):
        packet.recv(1, socket.MSG_DONTWAIT)
    link.close()


_real = socket.socket


def test_without_the_capability_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*kind: int) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    hop = Hop("eth0", 2, bytes(6), bytes(6), 1500, 2, ())
    monkeypatch.setattr("socket.socket", forbidden)
    with pytest.raises(EnvironmentFault, match=r"need a packet socket.*CAP_NET_RAW: run gryphon with sudo"):
        LinkTransmitter(TARGETS[:1], PAYLOAD, [hop])
