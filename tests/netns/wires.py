"""A wire in a namespace of its own, and packets to send over it, for the tests of transmitters."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import numpy as np
from pyroute2.netns import setns
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from gryphon.controller.record import Option
from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.transmit.interface import Target

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
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.tap.bind(("gr-res-b", 3))
        self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)

    def frames(self, count: int) -> list[bytes]:
        """The next ``count`` TCP packets that reached the far end, each with its Ethernet header."""
        frames: list[bytes] = []
        self.tap.settimeout(10)
        while len(frames) < count:
            frame = self.tap.recv(65_536)
            if frame[23 if frame[14] >> 4 == 4 else 20] == socket.IPPROTO_TCP:
                frames.append(frame)
        return frames

    def seen(self, count: int) -> list[bytes]:
        """The same without Ethernet headers."""
        return [frame[14:] for frame in self.frames(count)]


def run(command: str) -> str:
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


@contextmanager
def isolated() -> Iterator[Wire]:
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
