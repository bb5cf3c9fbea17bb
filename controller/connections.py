"""The intercept's connections: taken in, read, written, and dropped when they fall silent, break or talk nonsense."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections import Counter
from ipaddress import ip_address

from gryphon.controller import lines
from gryphon.controller.desk import Desk
from gryphon.controller.leases import Lease
from gryphon.controller.limits import Limits
from gryphon.controller.peer import Peer, Stage
from gryphon.controller.policy import plain
from gryphon.controller.protocol import ProtocolError
from gryphon.controller.record import Records
from gryphon.controller.tls import Identity

_ACCEPTS = 4
"""Connections taken in per round, so that a flood of them does not hold up the records."""
_LOOK_NS = 1_000_000_000
"""How often the operator's hours are looked at."""
_NEVER = 1 << 62


class Connections:
    """Every open connection, registered with the server's selector."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listener: socket.socket,
        desk: Desk,
        limits: Limits,
        identity: Identity | None = None,
    ) -> None:
        self._selector = selector
        self._listener = listener
        self._desk = desk
        self._limits = limits
        self._identity = identity
        self._peers: set[Peer] = set()
        self._opens_ns = 0  # the listener is left alone until then
        self._look_ns = 0 if limits.allowance.windows else _NEVER
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self)

    def __len__(self) -> int:
        return len(self._peers)

    def accept(self) -> None:
        """Take in who waits; not more often than the door's rates."""
        for _ in range(_ACCEPTS):
            now = time.monotonic_ns()
            if not self._desk.door.opens(now):
                self._opens_ns = now + self._desk.door.opens_in_ns(now)
                self._selector.unregister(self._listener)
                return
            try:
                sock, address = self._listener.accept()
            except OSError:  # nobody waits, somebody left before we came, or no descriptor is free
                return
            if self._desk.door.admits(plain(ip_address(address[0].partition("%")[0])), now):
                self._enter(sock)
            else:
                sock.close()

    def attend(self, peer: Peer, mask: int) -> None:
        """Read and write what the selector says is possible."""
        if peer not in self._peers:  # dropped by an earlier event of the same round
            return
        try:
            if not self._shake_or_read(peer, mask):
                self._drop(peer, "the connection ended without a word")
                return
        except ProtocolError as error:
            self._desk.expel(peer, error)
        except OSError as error:
            self._drop(peer, f"the connection broke: {lines.why(error)}")
            return
        self._flush(peer)

    def distribute(self, records: Records) -> None:
        """Give each sender its part of a batch."""
        for peer in list(self._peers):
            if peer.share is not None:
                self._desk.share(peer, records)
                self._flush(peer)

    def tick(self, now: int) -> None:
        """Drop who has been silent for too long; a sender is told, in case it only stood still."""
        if self._opens_ns and now >= self._opens_ns:
            self._opens_ns = 0
            self._selector.register(self._listener, selectors.EVENT_READ, self)
        if now >= self._look_ns:
            self._look_ns = now + _LOOK_NS
            self._desk.close_windows(list(self._peers))
            for peer in list(self._peers):
                self._flush(peer)
        for peer in [peer for peer in self._peers if peer.deadline <= now]:
            if peer.lease is not None:
                self._desk.expel(peer, f"nothing heard for {self._limits.lease_s:g} s")
                self._flush(peer)
            else:
                self._drop(peer, f"nothing heard for {self._limits.handshake_s:g} s")

    def deadline(self) -> int:
        """When ``tick`` has something to do at the earliest, CLOCK_MONOTONIC nanoseconds."""
        first = min((peer.deadline for peer in self._peers), default=_NEVER)
        look = self._look_ns if self._peers else _NEVER
        return min(first, look, self._opens_ns or _NEVER)

    def dismiss(self, reason: str) -> None:
        """Take nobody in any more, and tell everybody that it is over."""
        if not self._opens_ns:
            self._selector.unregister(self._listener)
        self._opens_ns = 0
        self._listener.close()
        for peer in list(self._peers):
            self._desk.dismiss(peer, reason)
            self._flush(peer)

    def revoke(self, lease: Lease, reason: str) -> None:
        """End one grant, and tell its sender why."""
        for peer in [peer for peer in self._peers if peer.lease is lease]:
            self._desk.dismiss(peer, reason, logging.WARNING)
            self._flush(peer)

    def close(self) -> None:
        """Close everything, without a word."""
        self._listener.close()
        for peer in self._peers:
            peer.sock.close()
        self._peers.clear()

    def _enter(self, sock: socket.socket) -> None:
        """A connection becomes a peer."""
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock, _after(self._limits.handshake_s), self._limits.outbox, self._identity)
        except OSError:
            sock.close()
            return
        self._make_room()
        self._peers.add(peer)
        self._selector.register(sock, selectors.EVENT_READ, peer)
        peer.greet()
        self._flush(peer)

    def _shake_or_read(self, peer: Peer, mask: int) -> bool:
        """What a selector's event brings; whether the stream goes on."""
        if peer.stage is Stage.TLS:
            goes_on = peer.shake()
            if not goes_on or peer.stage is Stage.TLS:
                return goes_on
        if not mask & selectors.EVENT_READ or peer.stage is Stage.CLOSING:
            return True
        messages, goes_on = peer.receive()
        for kind, message in messages:
            self._desk.answer(peer, kind, message)
        if messages and peer.stage is Stage.GRANTED:
            peer.deadline = _after(self._limits.lease_s)
        return goes_on

    def _flush(self, peer: Peer) -> None:
        if peer not in self._peers:
            return
        try:
            done = peer.outbox.flush()
        except OSError as error:
            self._drop(peer, f"the connection broke: {lines.why(error)}")
            return
        if done and peer.stage is Stage.CLOSING:
            self._drop(peer, "")
            return
        # from who is sent away nothing is read any more: what it goes on saying costs nothing
        wanted = 0 if peer.stage is Stage.CLOSING else selectors.EVENT_READ
        if not done or peer.wants_to_write:
            wanted |= selectors.EVENT_WRITE
        if self._selector.get_key(peer.sock).events != wanted:
            self._selector.modify(peer.sock, wanted, peer)

    def _drop(self, peer: Peer, why: str) -> None:
        if peer not in self._peers:
            return
        self._peers.discard(peer)
        self._selector.unregister(peer.sock)
        peer.sock.close()
        self._desk.lost(peer, why)

    def _make_room(self) -> None:
        """Who of the most crowded address has waited longest makes room: one address locks no other out."""
        strangers = [peer for peer in self._peers if peer.lease is None]
        if len(strangers) >= self._limits.strangers:
            crowd = Counter(peer.origin for peer in strangers)
            victim = min(strangers, key=lambda peer: (-crowd[peer.origin], peer.deadline))
            self._drop(victim, "too many connections without a grant")


def _after(seconds: float) -> int:
    return time.monotonic_ns() + int(seconds * 1e9)
