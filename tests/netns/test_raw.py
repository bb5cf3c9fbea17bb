"""Raw sockets put exactly the built packets on the wire; what the host refuses is counted, never fatal."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyroute2.netns import setns
from pyroute2.nftables.main import NFTables
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from gryphon.controller.record import Option
from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.transmit import sockets
from gryphon.sender.transmit.interface import Target
from gryphon.sender.transmit.raw import RawTransmitter

TARGETS = [Target(IPv4Address("10.99.0.2"), 80, 0), Target(IPv6Address("fd00:99::2"), 443, 1)]
PAYLOAD = np.frombuffer(bytes(range(251)) * 40, np.uint8)
CLONE_NEWNET = 0x40000000


class Wire:
    """A namespace with no way out: packets for the targets leave through one end of a veth pair, seen at the other."""

    def __init__(self) -> None:
        run("ip link set lo up")
        run("ip link add gr-res-a type veth peer name gr-res-b")
        for end in ("gr-res-a", "gr-res-b"):
            Path(f"/proc/sys/net/ipv6/conf/{end}/autoconf").write_text("0")
            run(f"ip link set {end} up")
        hardware = json.loads(run("ip -j link show gr-res-b"))[0]["address"]
        for family, address, neighbour in (("-4", "10.99.0.1/24", "10.99.0.2"), ("-6", "fd00:99::1/64", "fd00:99::2")):
            run(f"ip {family} addr add {address} dev gr-res-a" + (" nodad" if family == "-6" else ""))
            run(f"ip {family} neigh add {neighbour} lladdr {hardware} dev gr-res-a nud permanent")
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.tap.bind(("gr-res-b", 3))
        self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)

    def seen(self, count: int) -> list[bytes]:
        """The next ``count`` TCP packets that reached the far end."""
        packets: list[bytes] = []
        self.tap.settimeout(10)
        while len(packets) < count:
            packet = self.tap.recv(65_536)
            if packet[9 if packet[0] >> 4 == 4 else 6] == socket.IPPROTO_TCP:
                packets.append(packet)
        return packets


def run(command: str) -> str:
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire in a namespace of its own, which goes when the last socket in it does."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    library = ctypes.CDLL(None, use_errno=True)
    assert library.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        made = Wire()
        yield made
        made.tap.close()
    finally:
        setns(home)
        os.close(home)


def batch(count: int, target: int = 0, **fields: Any) -> Packets:
    """Segments of ``count`` users with timestamps and a payload of their own each."""
    packets = np.zeros(count, PACKET)
    base = 0xFD000017 << 96 if target else 0xFFFF << 32 | int(IPv4Address("10.17.0.0"))
    index = np.arange(count)
    packets["source_hi"] = base >> 64
    packets["source_lo"] = (base & (1 << 64) - 1) + index.astype(np.uint64)
    packets["row"] = packets["seq"] = index
    packets["payload"] = index % 251
    packets["length"] = index % 1400
    packets["port"], packets["flags"], packets["options"] = 33000, 0x18, int(Option.TIMESTAMP)
    packets["target"] = target
    for name, value in fields.items():
        packets[name] = value
    return packets


def body(packet: np.void) -> bytes:
    start = int(packet["payload"])
    return PAYLOAD[start : start + int(packet["length"])].tobytes()


def check(seen: bytes, packet: np.void) -> None:
    """The packet as seen is that of the descriptor, with checksums that scapy computes too."""
    parsed = (IPv6 if packet["target"] else IP)(seen)
    assert (parsed[TCP].sport, parsed[TCP].seq) == (int(packet["port"]), int(packet["seq"]))
    assert bytes(parsed[TCP].payload) == body(packet)
    fresh = parsed.copy()
    del fresh[TCP].chksum
    if not packet["target"]:
        del fresh.chksum
    assert bytes(fresh) == seen
    value = int(packet["source_hi"]) << 64 | int(packet["source_lo"])
    assert parsed.src == str(IPv6Address(value) if packet["target"] else IPv4Address(value & 0xFFFFFFFF))


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
