"""Answers that pass the interception by: seen as they come in or leave by an interface that nobody watches.

A wrong interface, or the wrong one of the two hooks, looks like a server that does not answer. The intercept's host
can tell them apart: what the program drops no packet socket sees (XDP and tc egress are both in front of those), so an
answer that one does see was not dropped. It is looked for from a grant on until its first record, half a minute at
most: a packet socket costs every packet of the host.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from gryphon.controller.leases import Lease
from gryphon.controller.policy import show_service
from gryphon.controller.record import Records
from gryphon.controller.source import IPNetwork, Service
from gryphon.controller.straying import attach, pairs_of, whose

WATCH_NS = 30_000_000_000
GRACE_NS = 300_000_000
"""An answer that was seen in two places, of which one is watched, has its record by then."""
_libc = ctypes.CDLL(None, use_errno=True)
_ADDRESS = struct.Struct("=HHiHBB8s")  # struct sockaddr_ll, include/uapi/linux/if_packet.h
_ALL = 3  # ETH_P_ALL, include/uapi/linux/if_ether.h
_OUTGOING = 4  # PACKET_OUTGOING, include/uapi/linux/if_packet.h
_ENOUGH = 64
_HEADERS = 64


class Place(NamedTuple):
    """Where a packet was seen."""

    interface: str
    leaves: bool


class Astray(NamedTuple):
    """An answer that was not dropped: whose, and where it was seen."""

    service: Service
    network: IPNetwork
    place: Place

    def seen(self, host: str) -> str:
        """What was seen of it on a host."""
        verb = "leave" if self.place.leaves else "come in"
        return f"answers from {show_service(self.service)} to {self.network} {verb} by {self.place.interface} of {host}"

    @property
    def hook(self) -> str:
        """That which would see them there."""
        return "tc" if self.place.leaves else "xdp"


class Tap(Protocol):
    """A packet socket, as far as it is used."""

    def fileno(self) -> int: ...
    def watch(self, pairs: list[tuple[Service, IPNetwork]]) -> None: ...
    def read(self) -> tuple[bytes, Place] | None: ...
    def close(self) -> None: ...


class PacketTap:
    """Packets of this host from their IP header on, those of some servers to some ranges alone."""

    def __init__(self) -> None:
        """OSError where that is not allowed (CAP_NET_RAW)."""
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)  # sees nothing yet

    def fileno(self) -> int:
        """Readable when there is a packet."""
        return self._sock.fileno()

    def watch(self, pairs: list[tuple[Service, IPNetwork]]) -> None:
        """See answers of these servers to these ranges from now on; nothing, and at no cost, without any.

        A packet socket cannot be unbound; on loopback, seeing none, it costs the others nothing.
        """
        with suppress(OSError):  # no room for a filter: nothing is seen, which is no reason to end
            attach(self._sock, pairs)
            _bind(self._sock, 0 if pairs else socket.if_nametoindex("lo"))

    def read(self) -> tuple[bytes, Place] | None:
        """One packet's headers; None when there is none."""
        try:
            packet, (interface, _, kind, *_) = self._sock.recvfrom(_HEADERS)
        except OSError as error:  # nothing there, or loopback is down
            if error.errno not in (errno.EAGAIN, errno.ENETDOWN):
                raise
            return None
        return packet, Place(interface, kind == _OUTGOING)

    def close(self) -> None:
        """No more of them."""
        self._sock.close()


def _bind(sock: socket.socket, index: int) -> None:
    """Have a packet socket see one interface, or all (0), which Python's own ``bind`` cannot say."""
    address = _ADDRESS.pack(socket.AF_PACKET, socket.htons(_ALL), index, 0, 0, 0, bytes(8))
    if _libc.bind(sock.fileno(), address, len(address)):
        raise OSError(ctypes.get_errno(), "bind")


def open_tap() -> PacketTap | None:
    """The host's packets, None where this process may not see them."""
    with suppress(OSError):
        return PacketTap()
    return None


@dataclass
class _Watched:
    """A grant without a record yet, and where its answers were seen: service, range, and when first."""

    since: int
    seen: dict[Place, tuple[Service, IPNetwork, int]] = field(default_factory=dict)


class Strays:
    """Looks for answers of grants that have no record yet.

    Args:
        hook: xdp or tc; where both directions are seen, that of the hook counts.
        tap: None: nothing is ever seen.
    """

    def __init__(self, hook: str, tap: Tap | None) -> None:
        self._leaving = hook == "tc"
        self._tap = tap
        self._watched: dict[int, _Watched] = {}
        self._done: set[int] = set()
        self._living: dict[int, Lease] = {}

    def fileno(self) -> int | None:
        """Readable when ``take`` has something to do."""
        return self._tap.fileno() if self._tap else None

    def take(self, now: int) -> None:
        """Look at what was seen."""
        for _ in range(_ENOUGH):
            seen = self._tap.read() if self._tap else None
            if seen is None:
                return
            packet, place = seen
            for generation, watched in self._watched.items():
                found = whose(packet, self._living[generation].asked)
                if found is not None:
                    watched.seen.setdefault(place, (*found, now))

    def heard(self, records: Records) -> None:
        """These have come from the ring: their grants are well."""
        if self._watched:
            for generation in np.intersect1d(records["generation"], list(self._watched)):
                self._forget(int(generation))

    def judge(self, living: Mapping[int, Lease], now: int) -> list[tuple[Lease, Astray]]:
        """Grants whose answers pass by, each with one that names the right place; also sees to new grants."""
        if self._tap is None or (not self._watched and living.keys() == self._living.keys()):
            return []
        self._living = dict(living)
        self._done &= self._living.keys()
        before = set(self._watched)
        for generation in self._living.keys() - self._done - before:
            self._watched[generation] = _Watched(now)
        over = [each for each, watched in self._watched.items() if now - watched.since > WATCH_NS]
        for generation in [*over, *(self._watched.keys() - self._living.keys())]:
            self._forget(generation)
        if set(self._watched) != before:
            self._tap.watch(pairs_of(self._living[generation].asked for generation in self._watched))
        return [(self._living[each], found) for each in list(self._watched) if (found := self._astray(each, now))]

    def deadline(self) -> int:
        """When ``judge`` has something to do at the earliest, CLOCK_MONOTONIC nanoseconds."""
        each = self._watched.values()
        seen = (when + GRACE_NS for watched in each for _, _, when in watched.seen.values())
        return min([*seen, *(watched.since + WATCH_NS for watched in each)], default=1 << 62)

    def close(self) -> None:
        """No more of it."""
        if self._tap:
            self._tap.close()

    def _forget(self, generation: int) -> None:
        """It has been decided."""
        self._watched.pop(generation, None)
        self._done.add(generation)
        if self._tap and not self._watched:
            self._tap.watch([])

    def _astray(self, generation: int, now: int) -> Astray | None:
        """What passed by of a grant's; None while there is nothing to say."""
        places = {
            place: (service, network)
            for place, (service, network, when) in self._watched[generation].seen.items()
            if now - when >= GRACE_NS
        }
        if not places:
            return None
        place = _fitting(places, self._leaving)
        self._forget(generation)
        return Astray(*places[place], place)


def advice(found: Astray) -> str:
    """What its operator is told, by way of the sender."""
    seen = found.seen("the intercept's host")
    mend = f"stop it and start gryphon-intercept --{found.hook} {found.place.interface}"
    return f"{seen}, where it does not look: {mend}"


def _fitting(places: Iterable[Place], leaving: bool) -> Place:
    """The first in the direction of the hook, otherwise the first."""
    listed = list(places)
    return next((place for place in listed if place.leaves is leaving), listed[0])
