"""A real TCP server behind the tc hook: its answers are taken, and its stack never notices."""

from __future__ import annotations

import itertools
import random
import socket
import threading
import time
from ipaddress import ip_address, ip_network

import pytest
from hosts import INTERFACE, Pair, command
from packets import ETHERNET
from scapy.all import IP, TCP, Ether

from gryphon.controller.interception import Interception
from gryphon.controller.record import Option, Records

SERVER, USER, PORT, USER_PORT = "10.9.0.1", "10.17.15.9", 8080, 40000
SIZE = 2_000_000
CONTENT = random.Random(1).randbytes(SIZE)


class User:
    """A forged user who acknowledges everything, by raw frames from the helper."""

    def __init__(self, pair: Pair, interception: Interception, server_mac: str) -> None:
        self._pair = pair
        self._ring = interception.ring
        self._ethernet = Ether(src=ETHERNET.src, dst=server_mac)
        self._seq = 1000
        self.expected = 0
        self.received: list[int] = []
        self.samples: list[bytes] = []

    def connect(self) -> Records:
        """Gives the records of the answer to the SYN."""
        self._send("S", ack=0, options=[("MSS", 1460), ("WScale", 10)])
        self._seq += 1
        records = self._wait()
        self.expected = (int(records["seq"][0]) + 1) & 0xFFFFFFFF
        self._send("A", self.expected)
        return records

    def take(self, size: int) -> None:
        """Acknowledges until so many bytes have come."""
        while sum(self.received) < size:
            for record in self._wait():
                if record["seq"] == self.expected:
                    self.received.append(int(record["length"]))
                    if "sample" in (record.dtype.names or ()):
                        self.samples.append(bytes(record["sample"])[: record["sample_length"]])
                    self.expected = (self.expected + int(record["length"])) & 0xFFFFFFFF
            self._send("A", self.expected)

    def reset(self) -> None:
        """Ends the connection."""
        self._send("R", self.expected)

    def _send(self, flags: str, ack: int, options: list[tuple[str, int]] | None = None) -> None:
        segment = TCP(
            sport=USER_PORT, dport=PORT, flags=flags, seq=self._seq, ack=ack, window=65535, options=options or []
        )
        self._pair.send("helper", bytes(self._ethernet / IP(src=USER, dst=SERVER) / segment))

    def _wait(self) -> Records:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            records = self._ring.read()
            if len(records):
                return records
        pytest.fail("the server does not answer")


@pytest.fixture
def listener(pair: Pair) -> socket.socket:
    """A listening server on the host "server", which has a route to the forged users but no neighbour to ask."""
    pair.run("server", "ip", "addr", "add", f"{SERVER}/24", "dev", INTERFACE)
    pair.run("server", "ip", "route", "add", "10.17.0.0/16", "dev", INTERFACE)
    pair.run("server", "ip", "neigh", "add", USER, "lladdr", ETHERNET.src, "dev", INTERFACE, "nud", "permanent")
    with pair.on("server"):
        return socket.create_server((SERVER, PORT))


@pytest.mark.parametrize("sample", [0, 256])
def test_two_megabytes_of_super_segments_are_taken_byte_by_byte_without_a_stall(
    pair: Pair, listener: socket.socket, sample: int
) -> None:
    """Each is sampled at its beginning, which the stack keeps in other pages than the headers."""
    mac = command("ip", "-n", pair.names["server"], "-o", "link", "show", INTERFACE).split("link/ether ")[1].split()[0]
    with listener, pair.on("server"):
        interception = Interception.attach("tc", INTERFACE, sample=sample)
        try:
            index = interception.add_service(ip_address(SERVER), PORT)
            interception.add_range(ip_network("10.17.0.0/16"), 3, time.monotonic_ns() + 10**12)
            user = User(pair, interception, mac)
            opening = user.connect()
            assert (opening["service"][0], opening["port"][0], opening["flags"][0]) == (index, USER_PORT, 0x12)
            assert int(opening["options"][0]) & (Option.MSS | Option.WINDOW_SCALE) == Option.MSS | Option.WINDOW_SCALE
            connection, who = listener.accept()
            with connection:
                assert who == (USER, USER_PORT)
                sending = threading.Thread(target=connection.sendall, args=(CONTENT,))
                sending.start()
                user.take(SIZE)
                sending.join()
                user.reset()
            assert sum(user.received) == SIZE
            assert max(user.received) > 1460, "super-segments are one record each"
            if sample:
                starts = [0, *itertools.accumulate(user.received)][:-1]
                assert user.samples == [
                    CONTENT[start : start + min(length, sample)]
                    for start, length in zip(starts, user.received, strict=True)
                ]
            assert interception.counters().malformed == 0
        finally:
            interception.detach()
