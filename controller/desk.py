"""What the intercept answers to a sender's messages, and what each of them means for the leases."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from gryphon.controller.errors import GrantRefused
from gryphon.controller.leases import LEASE_S, Lease, Leases, Registry
from gryphon.controller.outbox import LIMIT
from gryphon.controller.peer import Peer, Stage, parse_request
from gryphon.controller.policy import show_service
from gryphon.controller.protocol import Frame, ProtocolError, pack
from gryphon.controller.samples import MOST, rounded
from gryphon.controller.source import Grant, RecordSource
from gryphon.controller.split import Share

_LAST_WORDS_S = 2.0
"""How long a last message may take to leave."""


@dataclass(frozen=True)
class Limits:
    """Bounds of the server: times in seconds, sizes in bytes."""

    lease_s: float = LEASE_S
    handshake_s: float = 5.0
    strangers: int = 64
    senders: int = 64
    outbox: int = LIMIT


class CountersLike(Protocol):
    """Counters of an interception: one integer per name in ``source.Counts``."""

    def _asdict(self) -> dict[str, Any]: ...


class Intercepting(Registry, Protocol):
    """The part of ``Interception`` that serving senders needs."""

    @property
    def hook(self) -> str: ...
    @property
    def interface(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def sample(self) -> int: ...
    @property
    def ring(self) -> RecordSource: ...
    def counters(self) -> CountersLike: ...


class Desk:
    """Answers messages: proofs, requests, heartbeats, ends. Every event is one line in the log."""

    def __init__(
        self, interception: Intercepting, leases: Leases, token: str, limits: Limits, log: logging.Logger
    ) -> None:
        self._interception = interception
        self._leases = leases
        self._token = token
        self._limits = limits
        self._log = log

    def answer(self, peer: Peer, kind: int, message: dict[str, Any]) -> None:
        """Act on one message; ProtocolError when it makes no sense at this stage."""
        match peer.stage, kind:
            case Stage.PROOF, Frame.PROOF:
                reason = peer.prove(message, self._token)
                if reason is not None:
                    self.refuse(peer, reason)
            case Stage.REQUEST, Frame.REQUEST:
                self._consider(peer, message)
            case Stage.GRANTED, Frame.PING:
                self._pong(peer, message)
            case Stage.GRANTED, Frame.END:
                how = "the run is over" if message.get("clean") is True else "the run was broken off"
                self._end(peer, how, logging.INFO)
                peer.stage = Stage.CLOSING
                peer.deadline = 0
            case Stage.CLOSING, _:
                pass
            case _:
                raise ProtocolError(f"a message of type {kind} that has no place here")

    def refuse(self, peer: Peer, reason: str) -> None:
        """Send a stranger away with a reason."""
        self._log.warning("refused %s: %s", peer.name, reason)
        peer.close_after(Frame.REFUSAL, {"reason": reason}, _LAST_WORDS_S)

    def expel(self, peer: Peer, reason: str) -> None:
        """It does not speak the protocol: end what it has, say why, close."""
        if peer.lease is not None:
            self._end(peer, f"lost, {reason}", logging.WARNING)
            peer.close_after(Frame.END, {"reason": reason}, _LAST_WORDS_S)
        elif peer.stage is not Stage.CLOSING:
            self.refuse(peer, f"this is no gryphon sender: {reason}")

    def lost(self, peer: Peer, why: str) -> None:
        """The connection is no more: end the lease if there is one."""
        if peer.lease is not None:
            self._end(peer, f"lost, {why}", logging.WARNING)
        elif peer.stage is not Stage.CLOSING:
            self._log.info("%s left without a grant: %s", peer.name, why)

    def dismiss(self, peer: Peer, reason: str, level: int = logging.INFO) -> None:
        """The intercept itself ends what it has with this peer."""
        if peer.lease is not None:
            self._end(peer, reason, level)
            peer.close_after(Frame.END, {"reason": reason}, _LAST_WORDS_S)
        elif peer.stage is not Stage.CLOSING:
            self.refuse(peer, reason)

    def _consider(self, peer: Peer, message: dict[str, Any]) -> None:
        services, ranges, needed = parse_request(message)
        try:
            if len(self._leases.living) >= self._limits.senders:
                raise GrantRefused(f"{self._limits.senders} senders are served here already")
            sample = self._check_sample(needed)
            lease = self._leases.grant(services, ranges, peer.name, peer.address)
        except GrantRefused as refusal:
            self.refuse(peer, str(refusal))
            return
        peer.lease, peer.share = lease, Share(lease.generation, lease.services, sample)
        peer.stage = Stage.GRANTED
        peer.outbox.control(pack(Frame.GRANT, asdict(self._grant(lease, sample))))
        self._log.info(
            "grant %d to %s: forged %s against %s",
            lease.generation,
            peer.name,
            ", ".join(map(str, lease.networks)),
            ", ".join(map(show_service, services)),
        )

    def _check_sample(self, needed: int) -> int:
        """The sample of a channel whose run needs so many bytes; GrantRefused when the ring has fewer."""
        given = self._interception.sample
        if needed <= given:
            return rounded(needed)
        need = f"this run needs the first {needed} bytes of each answer and"
        if needed > MOST:
            raise GrantRefused(f"{need} an intercept samples at most {MOST}")
        raise GrantRefused(f"{need} this intercept samples {given}: start it with --sample {rounded(needed)}")

    def _grant(self, lease: Lease, sample: int) -> Grant:
        where = self._interception
        return Grant(
            generation=lease.generation,
            services=lease.services,
            lease_s=self._limits.lease_s,
            linger_s=self._leases.linger_ns / 1e9,
            intercept=f"{where.hook} on {where.interface} ({where.mode})",
            sample=sample,
        )

    def _pong(self, peer: Peer, message: dict[str, Any]) -> None:
        received = time.monotonic_ns()
        if peer.lease is not None:
            self._leases.renew(peer.lease, received)
        answer = {
            "sent": message.get("sent"),
            "received": received,
            "counters": self._interception.counters()._asdict(),
            "dropped": peer.outbox.dropped,
            "cpu_s": time.process_time(),
        }
        peer.outbox.control(pack(Frame.PONG, {**answer, "answered": time.monotonic_ns()}))

    def _end(self, peer: Peer, how: str, level: int) -> None:
        if peer.lease is None:
            return
        lease, peer.lease, peer.share = peer.lease, None, None
        self._leases.end(lease, time.monotonic_ns())
        slow = f"; {peer.outbox.dropped:,} records lost to slow reading" if peer.outbox.dropped else ""
        linger = self._leases.linger_ns / 1e9
        self._log.log(
            level,
            "grant %d of %s ended: %s; its answers are dropped for %g s more%s",
            lease.generation,
            peer.name,
            how,
            linger,
            slow,
        )
