"""The maps of the interception seen from Python: which services, and which forged ranges until when."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from gryphon.bpf.maps import Map
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.few import Few
from gryphon.controller.source import IPAddress, IPNetwork, Service

_MAPPED = b"\0" * 10 + b"\xff\xff"
_SERVICE = struct.Struct("!16sHxx")  # struct service
_INDEX = struct.Struct("=I")
_RANGE = struct.Struct("=I16s")  # struct range
_LEASE = struct.Struct("=QHHI")  # struct lease


class Range(NamedTuple):
    """A forged range: its answers are dropped until ``deadline_ns`` (CLOCK_MONOTONIC)."""

    network: IPNetwork
    generation: int
    deadline_ns: int
    ring: int = 0
    """Which of the interception's rings its records go to."""


def mapped(address: IPAddress) -> bytes:
    """Gives the 16 bytes of an address, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2)."""
    return address.packed if address.version == 6 else _MAPPED + address.packed


def unmapped(packed: bytes) -> IPAddress:
    """Gives the address behind 16 bytes, IPv4 where it was mapped."""
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


class Ranges:
    """The trie of forged ranges, the first of them beside it, and its copy here."""

    def __init__(self, trie: Map, few: Few) -> None:
        self._trie = trie
        self._few = few
        self._held: dict[IPNetwork, Range] = {}

    def copy(self, old: Map) -> None:
        """Takes over what still lives in another interception's trie; records of it, nobody's now, go to ring 0."""
        for key, value in old.items():
            prefix, packed = _RANGE.unpack(key)
            deadline_ns, generation, _, _ = _LEASE.unpack(value)
            address = unmapped(packed)
            network: IPNetwork
            if address.version == 4:
                network = IPv4Network((address.packed, prefix - 96))
            else:
                network = IPv6Network((address.packed, prefix))
            if deadline_ns > time.monotonic_ns():
                self._write(Range(network, generation, deadline_ns))

    def add(self, network: IPNetwork, generation: int, deadline_ns: int, ring: int = 0) -> None:
        """Adds a range; those inside it answer to its generation from now on, since the longest match wins."""
        for held in self.all():
            if held.network != network and _contains(network, held.network):
                self._write(held._replace(generation=generation, ring=ring))
        self._write(Range(network, generation, deadline_ns, ring))

    def renew(self, network: IPNetwork, deadline_ns: int) -> None:
        """Moves a deadline; without effect on a range that has run out and was forgotten."""
        held = self._held.get(network)
        if held is not None:
            self._write(held._replace(deadline_ns=deadline_ns))

    def lives(self, network: IPNetwork) -> bool:
        """Whether the kernel's deadline of a range is ahead."""
        value = self._trie.get(_RANGE.pack(*_prefix(network)))
        return value is not None and _LEASE.unpack(value)[0] > time.monotonic_ns()

    def all(self) -> list[Range]:
        """Gives the ranges that still live, and forgets the others."""
        now = time.monotonic_ns()
        for held in [held for held in self._held.values() if held.deadline_ns <= now]:
            self._trie.delete(_RANGE.pack(*_prefix(held.network)))
            self._few.forget_range(*_prefix(held.network))
            del self._held[held.network]
        return list(self._held.values())

    def _write(self, held: Range) -> None:
        prefix, packed = _prefix(held.network)
        try:
            self._trie.set(
                _RANGE.pack(prefix, packed), _LEASE.pack(held.deadline_ns, held.generation, prefix, held.ring)
            )
        except OSError as error:
            raise EnvironmentFault(
                f"The forged range {held.network} does not fit into the kernel's map ({error.strerror})."
            ) from error
        self._few.set_range(prefix, packed, held.generation, held.ring, held.deadline_ns)
        self._held[held.network] = held


@dataclass
class _Entry:
    service: Service
    references: int
    waits_for: set[IPNetwork] = field(default_factory=set)
    """Without references: the ranges whose answers it still has to stop."""


class Services:
    """The services whose answers are intercepted, counted by reference.

    One without references stays until the ranges that lived at its removal have run out: the server goes on
    answering them.
    """

    def __init__(self, services: Map, addresses: Map, few: Few, ranges: Ranges) -> None:
        self._services = services
        self._few = few
        self._addresses = addresses
        self._ranges = ranges
        self._entries: dict[int, _Entry] = {}

    def copy(self, old: Map) -> None:
        """Takes over another interception's services, under their indexes, for the ranges taken over before."""
        waits_for = {held.network for held in self._ranges.all()}
        for key, value in old.items():
            packed, port = _SERVICE.unpack(key)
            if waits_for:
                self._insert(_INDEX.unpack(value)[0], _Entry((unmapped(packed), port), 0, set(waits_for)))

    def add(self, address: IPAddress, port: int) -> int:
        """Registers a service, or once more the same; gives its index."""
        self._forget()
        for index, entry in self._entries.items():
            if entry.service == (address, port):
                entry.references += 1
                return index
        index = next(i for i in range(len(self._entries) + 1) if i not in self._entries)
        self._insert(index, _Entry((address, port), 1))
        return index

    def remove(self, index: int) -> None:
        """Takes one reference away."""
        entry = self._entries[index]
        entry.references -= 1
        if entry.references == 0:
            entry.waits_for = {held.network for held in self._ranges.all()}
        self._forget()

    def _insert(self, index: int, entry: _Entry) -> None:
        address, port = entry.service
        try:
            self._services.set(_SERVICE.pack(mapped(address), port), _INDEX.pack(index))
            self._addresses.set(mapped(address), _INDEX.pack(1))
        except OSError as error:
            raise EnvironmentFault(
                f"The service {address} port {port} does not fit into the kernel's map ({error.strerror})."
            ) from error
        self._few.set_service(mapped(address), port, index)
        self._entries[index] = entry

    def _forget(self) -> None:
        living = {held.network for held in self._ranges.all()}
        for index, entry in list(self._entries.items()):
            if entry.references == 0 and not entry.waits_for & living:
                del self._entries[index]
                self._erase(entry)

    def _erase(self, entry: _Entry) -> None:
        address, port = entry.service
        self._services.delete(_SERVICE.pack(mapped(address), port))
        self._few.forget_service(mapped(address), port)
        if all(other.service[0] != address for other in self._entries.values()):
            self._addresses.delete(mapped(address))


def _prefix(network: IPNetwork) -> tuple[int, bytes]:
    base = 0 if network.version == 6 else 96
    return base + network.prefixlen, mapped(network.network_address)


def _contains(outer: IPNetwork, inner: IPNetwork) -> bool:
    outer_bits, outer_packed = _prefix(outer)
    inner_bits, inner_packed = _prefix(inner)
    shift = 128 - outer_bits
    same = int.from_bytes(outer_packed, "big") >> shift == int.from_bytes(inner_packed, "big") >> shift
    return outer_bits <= inner_bits and same
