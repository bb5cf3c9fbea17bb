"""The intercept's connections: taken in, read, written, and dropped when they fall silent, break or talk nonsense."""

from __future__ import annotations

import logging
import selectors
import socket
import time

from gryphon.controller.desk import Desk, Limits
from gryphon.controller.leases import Lease
from gryphon.controller.peer import Peer, Stage
from gryphon.controller.protocol import ProtocolError
from gryphon.controller.record import Records

_ACCEPTS = 16
"""Connections taken in per round, so that a flood of them does not hold up the records."""


class Connections:
    """Every open connection, registered with the server's selector."""

    def __init__(self, selector: selectors.BaseSelector, listener: socket.socket, desk: Desk, limits: Limits) -> None:
        self._selector = selector
        self._listener = listener
        self._desk = desk
        self._limits = limits
        self._peers: set[Peer] = set()
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self)

    def __len__(self) -> int:
        return len(self._peers)

    def accept(self) -> None:
        """Take in who waits."""
        for _ in range(_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except OSError:  # nobody waits, somebody left before we came, or no descriptor is free
                return
            sock.setblocking(False)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer = Peer(sock, _after(self._limits.handshake_s), self._limits.outbox)
            except OSError:
                sock.close()
                continue
            self._make_room()
            self._peers.add(peer)
            self._selector.register(sock, selectors.EVENT_READ, peer)
            peer.greet()
            self._flush(peer)

    def attend(self, peer: Peer, mask: int) -> None:
        """Read and write what the selector says is possible."""
        if peer not in self._peers:  # dropped by an earlier event of the same round
            return
        try:
            if mask & selectors.EVENT_READ and not self._read(peer):
                self._drop(peer, "the connection ended without a word")
                return
        except ProtocolError as error:
            self._desk.expel(peer, str(error))
        except OSError as error:
            self._drop(peer, f"the connection broke: {error.strerror}")
            return
        self._flush(peer)

    def distribute(self, records: Records) -> None:
        """Give each sender its part of a batch."""
        for peer in list(self._peers):
            if peer.share is not None:
                peer.outbox.records(peer.share.of(records))
                self._flush(peer)

    def tick(self, now: int) -> None:
        """Drop who has been silent for too long; a sender is told, in case it only stood still."""
        for peer in [peer for peer in self._peers if peer.deadline <= now]:
            if peer.lease is not None:
                self._desk.expel(peer, f"nothing heard for {self._limits.lease_s:g} s")
                self._flush(peer)
            else:
                self._drop(peer, f"nothing heard for {self._limits.handshake_s:g} s")

    def deadline(self) -> int:
        """When ``tick`` has something to do at the earliest, CLOCK_MONOTONIC nanoseconds."""
        return min((peer.deadline for peer in self._peers), default=1 << 62)

    def dismiss(self, reason: str) -> None:
        """Take nobody in any more, and tell everybody that it is over."""
        self._selector.unregister(self._listener)
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

    def _read(self, peer: Peer) -> bool:
        messages, goes_on = peer.receive()
        for kind, message in messages:
            self._desk.answer(peer, kind, message)
        if messages and peer.stage is Stage.GRANTED:
            peer.deadline = _after(self._limits.lease_s)
        return goes_on

    def _flush(self, peer: Peer) -> None:
        try:
            done = peer.outbox.flush()
        except OSError as error:
            self._drop(peer, f"the connection broke: {error.strerror}")
            return
        if done and peer.stage is Stage.CLOSING:
            self._drop(peer, "")
            return
        wanted = selectors.EVENT_READ if done else selectors.EVENT_READ | selectors.EVENT_WRITE
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
        strangers = [peer for peer in self._peers if peer.lease is None]
        if len(strangers) >= self._limits.strangers:
            self._drop(min(strangers, key=lambda peer: peer.deadline), "too many connections without a grant")


def _after(seconds: float) -> int:
    return time.monotonic_ns() + int(seconds * 1e9)
