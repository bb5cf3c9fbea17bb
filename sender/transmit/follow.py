"""Follows next hops while a run goes on: a server that gets another network card, a route that moves."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from gryphon.controller.changes import Changes
from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.transmit.hops import Asked, Hop, find_ways, known_hops
from gryphon.sender.transmit.interface import Targets

log = logging.getLogger("gryphon")

# RTMGRP_LINK, _NEIGH, _IPV4_ROUTE, _IPV4_RULE, _IPV6_ROUTE and RTNLGRP_IPV6_RULE, include/uapi/linux/rtnetlink.h
GROUPS = 0x1 | 0x4 | 0x40 | 0x80 | 0x400 | 1 << 18


class Following(Protocol):
    """A transmitter that addresses frames."""

    def follow(self, hops: Sequence[Hop]) -> None:
        """Take the hops for what is sent from now on, one per target."""


class Closable(Asked, Protocol):
    """``netlink.Tables``."""

    def close(self) -> None:
        """Close the socket."""


class Follower:
    """Looks after the hops of a run, cheaply enough to be asked once a second.

    Frames of our own pass the neighbour table by, so the kernel would take a neighbour for unused and never notice
    that it has another address. Once a second it is told that the neighbour is in use; without CAP_NET_ADMIN a change
    is noticed when the neighbour itself announces it, or asks for this host.

    Args:
        tables: the kernel's; closed with the follower.
        targets: those of the run.
        device: what ``-o`` named.
        hops: those that the transmitter was made with, one per target.
        transmitter: told when they change.
        changes: a made up source of them, for tests.
    """

    def __init__(
        self,
        tables: Closable,
        targets: Targets,
        device: str | None,
        hops: Sequence[Hop],
        transmitter: Following,
        changes: Changes | None = None,
    ) -> None:
        self._tables = tables
        self._targets = targets
        self._device = device
        self._hops = list(hops)
        self._transmitter = transmitter
        self._changes = Changes(GROUPS) if changes is None else changes
        self._ways = find_ways(tables, targets, device)
        self._behind = True  # the hops were found some time ago
        self._may_use = True
        self._lost = False

    def look(self) -> None:
        """Tell the transmitter what has changed since the last look."""
        if self._changes.heard() or self._behind:
            self._behind = False
            self._find_again()
        if self._may_use:
            self._use()

    def close(self) -> None:
        """Let go of the sockets; calling it twice does no harm."""
        self._tables.close()
        self._changes.close()

    def _find_again(self) -> None:
        """Routes and neighbours as they are now; where there is none, frames go on to where the last one was."""
        try:
            self._ways = find_ways(self._tables, self._targets, self._device)
            known = known_hops(self._tables, self._ways)
        except (EnvironmentFault, OSError) as fault:
            if not self._lost:
                log.warning("%s; until then frames go to the last known next hop", fault)
            self._lost = True
            return
        self._lost = False
        hops = [new or old for new, old in zip(known, self._hops, strict=True)]
        for way, new, old in zip(self._ways, hops, self._hops, strict=True):
            if new != old:
                log.info("the next hop to %s is now %s on %s", way.target, new.next_hop.hex(":"), new.device)
        if hops != self._hops:
            self._hops = hops
            self._transmitter.follow(hops)

    def _use(self) -> None:
        """Have the kernel make sure of the neighbours, as it does of those that it sends to itself."""
        for index, address in {(way.unresolved.index, way.neighbour): None for way in self._ways}:
            try:
                if not self._tables.neighbour(index, address).fixed:
                    self._tables.use(index, address)
            except PermissionError:
                self._may_use = False
                return
            except OSError:  # the interface is going; a change will say so
                continue
