"""Runs the interception program on packets without a network, by BPF_PROG_TEST_RUN."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import numpy as np
from pyroute2 import IPRoute

from gryphon.bpf import live, loader, syscall
from gryphon.controller.few import Few
from gryphon.controller.record import RECORD, Records
from gryphon.controller.ring import Ring
from gryphon.controller.source import Counts
from gryphon.controller.tables import Ranges, Services

SERVER, SERVER6 = "10.16.15.118", "fd00:16:15::118"
FORGED, FORGED6 = "10.17.15.9", "fd00:17::9"
PORT, GENERATION = 80, 7
PROGRAMS = {
    "xdp": (syscall.XDP, "intercept_xdp", {1: "drop", 2: "pass"}),
    "tc": (syscall.SCHED_CLS, "intercept_egress", {4: "drop", 0xFFFFFFFF: "pass"}),
}
"""Kind, function and verdicts; SHOT (2) at tc is no verdict of ours."""


class Program:
    """One hook's program with its maps, a service each on IPv4 and IPv6, and a forged range each."""

    def __init__(self, hook: str, ring_bytes: int = 1 << 20, sample: int = 0) -> None:
        self.hook, self.sample = hook, sample
        kind, function, self._verdicts = PROGRAMS[hook]
        source = Path(loader.__file__).parent / "intercept.bpf.c"
        self._module = loader.compile(source, {"RING_BYTES": ring_bytes, "SAMPLE": sample})
        self.descriptor = self._module.load(kind, function, "gryphon_test")
        self.maps = self._module.maps
        self.ring = Ring(self.maps["ring"], self.maps["sleeping"], sample)
        self.reset()

    def reset(self) -> None:
        """Empties all maps."""
        for name in ("services", "addresses", "ranges"):
            for key, _ in list(self.maps[name].items()):
                self.maps[name].delete(key)
        few = Few(self.maps["few"])
        np.frombuffer(live.memory(self.maps["few"]), np.uint8)[:] = 0
        self.ranges = Ranges(self.maps["ranges"], few)
        self.services = Services(self.maps["services"], self.maps["addresses"], few, self.ranges)
        while len(self.ring.read()):
            pass

    def register(self, lasting_s: float = 3600) -> None:
        """Registers the services and ranges that the packets of the tests are about."""
        self.service = self.services.add(ip_address(SERVER), PORT)
        self.service6 = self.services.add(ip_address(SERVER6), PORT)
        self.lease(lasting_s)

    def lease(self, lasting_s: float) -> None:
        """Moves the deadline of the forged ranges."""
        deadline = time.monotonic_ns() + int(lasting_s * 1e9)
        for network in ("10.17.15.0/24", "fd00:17::/64"):
            self.ranges.add(ip_network(network), GENERATION, deadline)

    def run(self, packet: bytes, repeat: int = 1, linear: int = 0) -> str:
        """Gives the verdict on a frame, "drop" or "pass"; of XDP's frames the first buffer may end early."""
        data = ctypes.create_string_buffer(packet, len(packet))
        context = ctypes.create_string_buffer(struct.pack("=II16x", 0, linear), 24)  # struct xdp_md
        attributes = struct.pack(
            "=IIIIQQIIIIQQ", self.descriptor, 0, len(packet), 0, ctypes.addressof(data), 0, repeat, 0,
            24 if linear else 0, 0, ctypes.addressof(context) if linear else 0, 0,
        )  # fmt: skip
        _, after = syscall.bpf(syscall.PROG_TEST_RUN, attributes)
        self.ns = struct.unpack_from("=I", after, 36)[0]
        verdict = struct.unpack_from("=I", after, 4)[0]
        return self._verdicts.get(verdict, f"unknown verdict {verdict}")

    def judge(self, packet: bytes, linear: int = 0) -> tuple[str, Records]:
        """Gives the verdict on a frame, and the records that it left."""
        self.ring.read()
        return self.run(packet, linear=linear), self.ring.read()

    def counters(self) -> Counts:
        """Sums the counters over the CPUs."""
        values = self.maps["counters"].get(bytes(4)) or b""
        return Counts(*(sum(column) for column in zip(*struct.iter_unpack("=5Q", values), strict=True)))

    def counted(self, packet: bytes) -> Counts:
        """Gives by how much one frame moved each counter."""
        before = self.counters()
        self.run(packet)
        return Counts(*(after - then for after, then in zip(self.counters(), before, strict=True)))

    def attach(self, interface: str) -> int:
        """Attaches the program as XDP, as a stranger would; gives the link."""
        return syscall.xdp_link(self.descriptor, socket.if_nametoindex(interface), 0)

    def filter(self, interface: str, priority: int) -> None:
        """Adds the program as a tc filter on the way out, as a stranger would."""
        with IPRoute() as route:
            index = socket.if_nametoindex(interface)
            route.tc("add-filter", "bpf", index, 1, fd=self.descriptor, name="gryphon_test", parent=0xFFFFFFF3,
                     prio=priority, protocol=3, classid=1, direct_action=True)  # fmt: skip

    def close(self) -> None:
        """Lets go of program and maps."""
        os.close(self.descriptor)
        self._module.close()


def expect(**fields: int) -> dict[str, int]:
    """Gives all fields of a record but its time, zero where not said otherwise."""
    return {name: 0 for name in RECORD.names or () if name not in ("time_ns", "reserved")} | fields


def fields_of(records: Records) -> list[dict[str, int]]:
    """Gives the fields of records but their time, for comparison."""
    names = [name for name in RECORD.names or () if name not in ("time_ns", "reserved")]
    return [{name: int(record[name]) for name in names} for record in records]
