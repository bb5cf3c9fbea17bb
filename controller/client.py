"""The sender's end of a remote intercept: a record source whose times are already on this host's clock."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.controller import lines
from gryphon.controller.account import Account
from gryphon.controller.clock import ClockEstimate
from gryphon.controller.delay import DelayHistogram
from gryphon.controller.ended import Ended
from gryphon.controller.errors import GrantLost
from gryphon.controller.handshake import Greeting
from gryphon.controller.intent import Intent
from gryphon.controller.protocol import (
    BATCH_BYTES,
    CONTROL_LIMIT,
    Frame,
    Inbox,
    ProtocolError,
    pack,
    unpack,
)
from gryphon.controller.quota import parse_rate
from gryphon.controller.record import Records
from gryphon.controller.samples import sampled, whole
from gryphon.controller.source import Clock, Counts, Grant, IPAddress, IPNetwork, Status
from gryphon.controller.tls import Trust

HEARTBEAT_NS = 1_000_000_000
SILENCE_NS = 5_000_000_000
"""A heartbeat unanswered for so long means that the intercept is gone."""
_FIRST_SAMPLES = 8
_LAST_WORDS_S = 1.0
_GONE = "what it intercepted stays intercepted for the linger time: start it again before the next run"
_BUFFER = 4 << 20
_MOST_NUMBER = 1 << 62
_NOTHING = Intent()


class Channel:
    """Records from a remote intercept. Call ``read()`` at least every 50 ms: it keeps the grant alive."""

    def __init__(self, greeting: Greeting, grant: Grant) -> None:
        """Not for callers: ``connect()`` makes one."""
        self.grant = grant
        self._record = sampled(grant.sample)
        self._sock = greeting.sock
        self._inbox = greeting.inbox
        self._name = f"the intercept at {greeting.where}"
        self._clock = ClockEstimate()
        self._delay = DelayHistogram()
        self._status = Status()
        self._lost: str | None = None
        self._batches: list[npt.NDArray[np.void]] = []
        self._unsent = b""
        self._pinged = self._heard = time.monotonic_ns()
        self._asked = 0  # when the oldest unanswered heartbeat left, 0: none is
        self._account = Account(grant, self._name)

    @classmethod
    def connect(
        cls,
        address: str,
        port: int,
        token: str,
        *,
        services: Sequence[tuple[IPAddress, int]],
        ranges: Sequence[IPNetwork],
        sample: int = 0,
        intent: Intent = _NOTHING,
        trust: Trust | None = None,
        timeout: float = 5.0,
    ) -> Channel:
        """Connect to an intercept, authenticate both ways, and get a grant.

        Args:
            sample: bytes of each answer's payload that the run needs; ``grant.sample`` is rounded up.
            intent: what the run is going to do, and whose it is.
            trust: by what the intercept's certificate is known; None: no TLS.

        Raises:
            EnvironmentFault: nobody answers there, or not a gryphon intercept.
            GrantRefused: wrong token or certificate, or the intercept will not serve this: ranges, services, samples,
                so many users.
        """
        greeting = Greeting(address, port, Inbox(CONTROL_LIMIT, _BUFFER), timeout, trust)
        try:
            greeting.prove(token)
            channel = cls(greeting, greeting.ask(services, ranges, sample, intent))
            channel._inbox.limit = BATCH_BYTES
            channel._set_clock(timeout)
        except BaseException:
            greeting.sock.close()
            raise
        channel._account.begin(services, ranges, intent)
        return channel

    def read(self) -> Records:
        """Records that have come in, ``time_ns`` on the local CLOCK_MONOTONIC; also sends the heartbeat.

        Raises:
            GrantLost: the intercept ended the grant, is gone, or has fallen silent.
        """
        self._attend()
        batches, self._batches = self._batches, []
        if batches:
            return self._localised((batches[0] if len(batches) == 1 else np.concatenate(batches)).view(self._record))
        if self._lost is not None:
            raise GrantLost(self._lost)
        return np.empty(0, self._record)

    def keep(self) -> None:
        """Send the heartbeat and hear of an end while nobody reads; records wait for the next ``read()``.

        Raises:
            GrantLost: as ``read()`` does, but at once.
        """
        self._attend()
        if self._lost is not None:
            raise GrantLost(self._lost)

    def fileno(self) -> int:
        """The socket: readable when records or a heartbeat's answer are there."""
        return self._sock.fileno()

    def arm(self) -> bool:
        """Whether to wait for the descriptor: False when records, or the news of an end, are there already."""
        return not self._batches and self._lost is None and not lines.pending(self._sock)

    def disarm(self) -> None:
        """Nothing to do: a socket wakes nobody who does not wait."""

    def clock(self) -> Clock:
        """Offset of the intercept's clock as used now, and its uncertainty."""
        return self._clock.at(time.monotonic_ns())

    def status(self) -> Status:
        """As of the last heartbeat; the delay is from capture to ``read()``, over all records so far."""
        return replace(self._status, delay_p99_us=self._delay.percentile(99))

    def close(self, clean: bool = True, how: Ended = Ended.OVER) -> str | None:
        """Tell the intercept that the run is over, and hang up. Returns what stays behind, as a sentence."""
        if self._sock.fileno() < 0:
            return None
        self._account.end(self._lost or how)
        with contextlib.suppress(OSError), self._sock:
            if self._lost is None:
                self._sock.settimeout(_LAST_WORDS_S)
                self._sock.sendall(self._unsent + pack(Frame.END, {"clean": clean, "how": how.name.lower()}))
                self._sock.shutdown(socket.SHUT_WR)
                while self._sock.recv(1 << 16):  # closing with unread data would reset the connection
                    pass
        return f"{self._name} goes on dropping answers to the forged addresses for {self.grant.linger_s:g} s"

    def forget(self) -> None:
        """Let go of the connection without a word: a process that was forked has it."""
        self._account.forget()
        self._sock.close()

    def _attend(self) -> None:
        """The heartbeat, what has come in, and whether the other side still answers."""
        if self._lost is None:
            self._beat(time.monotonic_ns())
            self._receive()
            self._check_silence(time.monotonic_ns())

    def _beat(self, now: int) -> None:
        if now - self._pinged >= HEARTBEAT_NS and not self._unsent:
            self._ping(now)
        if self._unsent:
            try:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
            except lines.WOULD_BLOCK:
                pass
            except OSError:  # the reading side will say what happened
                self._unsent = b""

    def _ping(self, now: int) -> None:
        self._pinged = now
        self._asked = self._asked or now
        self._unsent = pack(Frame.PING, {"sent": now})

    def _receive(self) -> None:
        try:
            taken = self._inbox.receive(self._sock)
        except OSError as error:
            self._lose(f"{self._name} is gone: the connection broke ({lines.why(error)}); {_GONE}")
            return
        if taken is None:
            return
        self._heard = time.monotonic_ns()
        try:
            for kind, payload in self._inbox.frames():
                self._take(kind, payload)
        except ProtocolError as error:
            self._lose(f"{self._name} sent nonsense ({error}): install the same gryphon on both hosts")
        if taken == 0:
            self._lose(f"{self._name} is gone: it hung up without a word; {_GONE}")

    def _take(self, kind: int, payload: memoryview) -> None:
        if kind == Frame.RECORDS:
            if len(payload) % self._record.itemsize:
                raise ProtocolError("half a record")
            self._batches.append(whole(np.frombuffer(payload, self._record)).copy())
            self._account.count(len(self._batches[-1]))
        elif kind == Frame.PONG:
            self._note(unpack(payload))
        elif kind == Frame.END:
            self._lose(f"{self._name} ended the grant: {unpack(payload).get('reason')}")
        else:
            raise ProtocolError(f"a message of type {kind} in the middle of a run")

    def _note(self, pong: dict[str, Any]) -> None:
        try:
            sent, received, answered = (int(pong[key]) for key in ("sent", "received", "answered"))
            counts = Counts(**{name: int(pong["counters"][name]) for name in Counts._fields})
            packets_s = parse_rate(pong.get("packets_s"))
            self._status = Status(counts, int(pong["dropped"]), float(pong["cpu_s"]), packets_s=packets_s)
            if max(map(abs, (sent, received, answered, *counts))) >= _MOST_NUMBER:
                raise ValueError("these are no times and counters")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ProtocolError("an answer to a heartbeat that makes no sense") from error
        self._asked = 0
        self._clock.add(sent, received, answered, self._heard)

    def _check_silence(self, now: int) -> None:
        if self._asked and min(now - self._asked, now - self._heard) > SILENCE_NS:
            self._lose(f"{self._name} has not answered for {SILENCE_NS / 1e9:g} s: its host or the network is down")

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
            self._account.end(why)

    def _localised(self, records: Records) -> Records:
        now = time.monotonic_ns()
        times = records["time_ns"].view(np.int64)
        times -= self._clock.at(now).offset_ns
        np.minimum(times, now, out=times)  # within the clock's uncertainty, nothing comes from the future
        self._delay.add(records, now)
        return records

    def _set_clock(self, timeout: float) -> None:
        self._sock.settimeout(timeout)
        for _ in range(_FIRST_SAMPLES):
            self._ping(time.monotonic_ns())
            self._beat(self._pinged)
            while self._asked and self._lost is None:
                self._receive()
        if self._lost is not None:
            raise GrantLost(self._lost)
        self._sock.setblocking(False)
