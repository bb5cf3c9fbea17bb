"""The intercept's server: drains the ring, hands each sender its records, keeps leases while senders live.

One thread, one selector. Idle, or while records are rare, it sleeps in epoll and the kernel wakes it at the next one,
which leaves at once; while they are dense it reads the ring three times a millisecond, and a batch leaves within one.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence

from gryphon.controller.connections import Connections
from gryphon.controller.desk import Desk, Intercepting
from gryphon.controller.errors import Fault
from gryphon.controller.leases import Leases, others_nearby
from gryphon.controller.limits import Limits
from gryphon.controller.peer import Peer
from gryphon.controller.policy import Policy, own_addresses
from gryphon.controller.source import IPAddress
from gryphon.controller.strays import Strays, advice
from gryphon.controller.surroundings import Taken
from gryphon.controller.tls import Identity

_POLL_S = 0.0003
"""Of the millisecond within which a batch leaves; the timer's slack and the sending take their part of the rest."""
_POLLS_BEFORE_SLEEP = 3
"""Empty polls in a row before the loop asks the kernel to wake it."""
_DENSE_NS = 200_000
"""Records that follow each other within this are dense: a wake-up for each would cost more than polling."""
_DENSE_BATCH = 8
"""So are this many at once."""
_WATCH_S = 0.5
"""So often it is looked whether the interception still stands: without it, sending has to stop within a second."""


class Server:
    """Serves senders over one interception until it is stopped and everything has lingered."""

    def __init__(
        self,
        interception: Intercepting,
        listener: socket.socket,
        token: str,
        policy: Policy,
        linger_s: float,
        limits: Limits | None = None,
        addresses: Callable[[], Sequence[IPAddress]] = own_addresses,
        watch: Callable[[], None] = lambda: None,
        log: logging.Logger | None = None,
        strays: Strays | None = None,
        others: Callable[[], Sequence[Taken]] = others_nearby,
        identity: Identity | None = None,
    ) -> None:
        """``listener`` listens already; ``watch`` is called twice a second and may raise to end it all.

        ``strays`` is closed with it.
        """
        self._limits = limits or Limits()
        self._log = log or logging.getLogger("gryphon.intercept")
        self._ring = interception.ring
        self._watch = watch
        self._strays = strays or Strays(interception.hook, None)
        self._watched = time.monotonic_ns()
        self._quiet = _POLLS_BEFORE_SLEEP
        self._drained = 0  # when there last were records
        self._stops = 0
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._ring.fileno(), selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        if (tap := self._strays.fileno()) is not None:
            self._selector.register(tap, selectors.EVENT_READ, self._strays)
        self.leases = Leases(interception, policy, linger_s, addresses, self._limits.lease_s, others)
        desk = Desk(interception, self.leases, token, self._limits, self._log)
        self._connections = Connections(self._selector, listener, desk, self._limits, identity)

    def stop(self) -> None:
        """End: the first call orderly (linger), the second at once. Safe in a signal handler."""
        self._stops += 1
        if self._wake_write >= 0:
            os.write(self._wake_write, b"!")

    def run(self) -> None:
        """Serve until stopped; then nothing lingers any more, unless it was stopped twice."""
        try:
            while not self._over():
                self._handle(self._wait())
                self._drain()
                self._tick(time.monotonic_ns())
        finally:
            self._close()

    def _over(self) -> bool:
        if self._stops and not self._stopping:
            self._stopping = True
            self._connections.dismiss("the intercept was stopped")
            self._announce_linger()
        if self._stops > 1:
            return True
        return self._stopping and not self._connections and self.leases.lingers_until() <= time.monotonic_ns()

    def _announce_linger(self) -> None:
        left = (self.leases.lingers_until() - time.monotonic_ns()) / 1e9
        if left > 0:
            self._log.info(
                "stopping: answers to forged addresses are dropped for %.0f s more, then the program is detached "
                "(Ctrl-C again: at once)",
                left,
            )

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        if self._quiet < _POLLS_BEFORE_SLEEP:
            time.sleep(_POLL_S)
            return self._selector.select(0)
        if not self._ring.arm():
            return self._selector.select(0)
        events = self._selector.select(self._patience())
        self._ring.disarm()
        return events

    def _patience(self) -> float:
        deadline = min(self._connections.deadline(), self._strays.deadline())
        if self._stopping:
            deadline = min(deadline, self.leases.lingers_until())
        wait = deadline - time.monotonic_ns()
        return min(max(wait / 1e9, 0.0), _WATCH_S)

    def _handle(self, events: list[tuple[selectors.SelectorKey, int]]) -> None:
        for key, mask in events:
            if isinstance(key.data, Peer):
                self._connections.attend(key.data, mask)
            elif key.data is self._connections:
                self._connections.accept()
            elif key.data is self._strays:
                self._strays.take(time.monotonic_ns())
            elif key.fd == self._wake_read:
                os.read(self._wake_read, 64)

    def _drain(self) -> None:
        records = self._ring.read()
        if len(records) == 0:
            self._quiet += 1
            return
        self._strays.heard(records)
        self._connections.distribute(records)
        now = time.monotonic_ns()
        dense = len(records) >= _DENSE_BATCH or now - self._drained < _DENSE_NS
        self._quiet = 0 if dense else _POLLS_BEFORE_SLEEP
        self._drained = now

    def _tick(self, now: int) -> None:
        self._connections.tick(now)
        for lease, astray in self._strays.judge(self.leases.living, now):
            self._connections.revoke(lease, advice(astray))
        if now - self._watched > _WATCH_S * 1e9:
            self._watched = now
            try:
                self._watch()
            except Fault as fault:
                self._connections.dismiss(str(fault))
                raise

    def _close(self) -> None:
        self._connections.close()
        self._strays.close()
        self._selector.close()
        writable, self._wake_write = self._wake_write, -1  # a signal may still come
        os.close(writable)
        os.close(self._wake_read)
