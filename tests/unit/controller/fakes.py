"""An interception without a kernel: the surface of ``Interception`` and ``Ring``, fed by the test."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from ipaddress import ip_address
from typing import NamedTuple

import numpy as np

from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.policy import contains
from gryphon.controller.record import RECORD, Records
from gryphon.controller.samples import sampled
from gryphon.controller.source import Counts, IPAddress, IPNetwork

BATCH = 65536


def records_of(
    generation: int, count: int, service: int = 0, address: str = "10.17.15.1", age_ns: int = 0, sample: int = 0
) -> Records:
    """``count`` records as the kernel would write them; ``seq`` counts up from 0, and each sample begins with it."""
    records = np.zeros(count, dtype=sampled(sample))
    if sample:
        records["sample"] = np.arange(sample)
        records["sample"][:, :4] = np.arange(count, dtype="<u4").view(np.uint8).reshape(-1, 4)
        records["sample_length"] = sample
    value = int(ip_address(address))
    records["address_lo"] = value | 0xFFFF << 32
    records["generation"] = generation
    records["service"] = service
    records["seq"] = np.arange(count)
    records["version"] = 4
    records["time_ns"] = time.monotonic_ns() - age_ns
    return records


class FakeRing:
    """A ring whose records come from ``feed()``; wakes its reader through an eventfd when armed."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._batches: deque[Records] = deque()
        self._armed = False
        self.armings = 0

    def feed(self, records: Records) -> None:
        """Put records in, as the kernel would."""
        with self._lock:
            self._batches.append(records.copy())
            if self._armed:
                self._armed = False
                os.eventfd_write(self._wake, 1)

    def waiting(self) -> bool:
        """Whether something was not read yet."""
        with self._lock:
            return bool(self._batches)

    def read(self) -> Records:
        with self._lock:
            taken: list[Records] = []
            while self._batches and sum(map(len, taken)) < BATCH:
                taken.append(self._batches.popleft())
            return np.concatenate(taken) if taken else np.empty(0, dtype=RECORD)

    def fileno(self) -> int:
        return self._wake

    def arm(self) -> bool:
        with self._lock:
            self.armings += 1
            self._armed = not self._batches
            return self._armed

    def disarm(self) -> None:
        with self._lock:
            self._armed = False
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)


class FakeRange(NamedTuple):
    """A range in the fake's map."""

    network: IPNetwork
    generation: int
    deadline_ns: int


class FakeInterception:
    """Keeps services and ranges in dictionaries as the kernel's maps would."""

    hook, interface, mode = "xdp", "fake0", "native"
    taken_over = False

    def __init__(self, ranges: list[FakeRange] | None = None, sample: int = 0) -> None:
        self.sample = sample
        self.ring = FakeRing()
        self.rings = [self.ring, FakeRing()]
        self.services: dict[int, tuple[IPAddress, int]] = {}
        self.references: dict[int, int] = {}
        self.held = {held.network: held for held in ranges or []}
        self.capacity = 1024
        self.detached = self.closed = self.removed = False

    def add_service(self, address: IPAddress, port: int) -> int:
        for index, service in self.services.items():
            if service == (address, port):
                self.references[index] += 1
                return index
        index = max(self.references, default=-1) + 1
        self.services[index] = (address, port)
        self.references[index] = 1
        return index

    def remove_service(self, index: int) -> None:
        self.references[index] -= 1

    def add_range(self, network: IPNetwork, generation: int, deadline_ns: int, ring: int = 0) -> None:
        if network not in self.held and len(self.held) >= self.capacity:
            raise EnvironmentFault("the map of forged ranges is full")
        for held in self.ranges():
            if contains(network, held.network):
                self.held[held.network] = held._replace(generation=generation)
        self.held[network] = FakeRange(network, generation, deadline_ns)

    def renew(self, network: IPNetwork, deadline_ns: int) -> None:
        if network in self.held:
            self.held[network] = self.held[network]._replace(deadline_ns=deadline_ns)

    def ranges(self) -> list[FakeRange]:
        now = time.monotonic_ns()
        self.held = {network: held for network, held in self.held.items() if held.deadline_ns > now}
        return list(self.held.values())

    def counters(self) -> Counts:
        return Counts(matched=5, recorded=4, ring_full=1, passed=9, malformed=2)

    def is_there(self) -> bool:
        return not self.removed

    def lives(self, network: IPNetwork) -> bool:
        return network in self.held and self.held[network].deadline_ns > time.monotonic_ns()

    def detach(self) -> None:
        self.detached = True

    def close(self) -> None:
        self.closed = True
