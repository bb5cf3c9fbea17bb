"""What the intercept answers to a sender's messages, and what each of them means for the leases."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from gryphon.controller.audit import Audit
from gryphon.controller.door import Door
from gryphon.controller.ended import told
from gryphon.controller.errors import GrantRefused
from gryphon.controller.leases import Lease, Leases, Registry
from gryphon.controller.limits import Limits
from gryphon.controller.peer import WRONG_TOKEN, Peer, Stage, wrong_version
from gryphon.controller.protocol import Frame, ProtocolError, WrongLine, pack
from gryphon.controller.quota import Allowance, Book, Quota
from gryphon.controller.record import Records
from gryphon.controller.request import Request, parse_request
from gryphon.controller.samples import MOST, rounded
from gryphon.controller.source import Grant, RecordSource
from gryphon.controller.split import Share
from gryphon.controller.watching import Watch

_LAST_WORDS_S = 2.0
"""How long a last message may take to leave."""


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
    """Answers messages: proofs, requests, heartbeats, ends."""

    def __init__(
        self, interception: Intercepting, leases: Leases, token: str, limits: Limits, log: logging.Logger
    ) -> None:
        self._interception = interception
        self._leases = leases
        self._token = token
        self._limits = limits
        self._audit = Audit(log, leases.linger_ns / 1e9)
        self._book = Book(limits.allowance)
        self.door = Door(limits.rates, time.monotonic_ns())

    def answer(self, peer: Peer, kind: int, message: dict[str, Any]) -> None:
        """Act on one message; ProtocolError when it makes no sense at this stage."""
        if peer.stage is Stage.CLOSING:
            return
        if not peer.messages.take(time.monotonic_ns()):
            raise ProtocolError("it says more than a sender has to say")
        match peer.stage, kind:
            case Stage.PROOF, Frame.KNOCK:
                reason = wrong_version(message)
                if reason is not None:
                    self.refuse(peer, reason)
            case Stage.PROOF, Frame.PROOF:
                self._check_proof(peer, message)
            case Stage.REQUEST, Frame.REQUEST:
                self._consider(peer, message)
            case Stage.GRANTED, Frame.PING:
                self._pong(peer, message)
            case Stage.GRANTED, Frame.END:
                self._end(peer, told(message), logging.INFO)
                peer.stage = Stage.CLOSING
                peer.deadline = 0
            case _:
                raise ProtocolError(f"a message of type {kind} that has no place here")

    def share(self, peer: Peer, records: Records) -> None:
        """Give a sender its part of a batch; who shows in it that he exceeds his quota loses the grant."""
        if peer.share is None:
            return
        mine = peer.share.of(records)
        if not len(mine):
            return
        peer.records += len(mine)
        peer.outbox.records(mine)
        against = peer.watch.look(mine, time.monotonic_ns()) if peer.watch else None
        if against is not None:
            self._withdraw(peer, f"withdrawn, {against}", logging.WARNING)

    def close_windows(self, peers: list[Peer]) -> None:
        """End what the operator's hours no longer allow; called once a second."""
        if self._limits.allowance.left_s(datetime.now()) == 0:
            for peer in peers:
                if peer.lease is not None:
                    self._withdraw(peer, "the hours in which this intercept gives grants are over", logging.INFO)

    def refuse(self, peer: Peer, reason: str) -> None:
        """Send a stranger away with a reason."""
        self._audit.stranger(logging.WARNING, "refused %s: %s", peer.name, reason)
        peer.close_after(Frame.REFUSAL, {"reason": reason}, _LAST_WORDS_S)

    def expel(self, peer: Peer, error: ProtocolError | str) -> None:
        """It does not speak the protocol, or is silent: end what it has, say why, close."""
        if peer.lease is not None:
            self._withdraw(peer, f"lost, {error}", logging.WARNING, str(error))
        elif peer.stage is not Stage.CLOSING:
            self.refuse(peer, str(error) if isinstance(error, WrongLine) else f"this is no gryphon sender: {error}")

    def lost(self, peer: Peer, why: str) -> None:
        """The connection is no more: end the lease if there is one."""
        if peer.lease is not None:
            self._end(peer, f"lost, {why}", logging.WARNING)
        elif peer.stage is not Stage.CLOSING:
            self._audit.stranger(logging.INFO, "%s left without a grant: %s", peer.name, why)

    def dismiss(self, peer: Peer, reason: str, level: int = logging.INFO) -> None:
        """The intercept itself ends what it has with this peer."""
        if peer.lease is not None:
            self._withdraw(peer, reason, level)
        elif peer.stage is not Stage.CLOSING:
            self.refuse(peer, reason)

    def _check_proof(self, peer: Peer, message: dict[str, Any]) -> None:
        now = time.monotonic_ns()
        reason = self.door.bars(peer.address, now) or peer.prove(message, self._token)
        if reason == WRONG_TOKEN:
            self.door.guessed(peer.address, now)
        if reason is not None:
            self.refuse(peer, reason)

    def _consider(self, peer: Peer, message: dict[str, Any]) -> None:
        request = parse_request(message)
        try:
            if len(self._leases.living) >= self._limits.senders:
                raise GrantRefused(f"{self._limits.senders} senders are served here already")
            sample = self._check_sample(request.sample)
            quota = self._book.reserve(request.intent, datetime.now())
            lease = self._leases.grant(request.services, request.ranges, peer.name, peer.address)
        except GrantRefused as refusal:
            self.refuse(peer, str(refusal))
            return
        self._book.enter(lease.generation, quota, request.intent.parts)
        self._begin(peer, request, lease, sample, quota)

    def _begin(self, peer: Peer, request: Request, lease: Lease, sample: int, quota: Quota) -> None:
        peer.lease, peer.share = lease, Share(lease.generation, lease.services, sample)
        peer.request, peer.stage, peer.granted_ns = request, Stage.GRANTED, time.monotonic_ns()
        if self._limits.allowance != Allowance():
            peer.watch = Watch(quota, peer.granted_ns)
        peer.outbox.control(pack(Frame.GRANT, asdict(self._grant(lease, sample, quota))))
        self._audit.begins(peer, lease, request, quota)

    def _check_sample(self, needed: int) -> int:
        """The sample of a channel whose run needs so many bytes; GrantRefused when the ring has fewer."""
        given = self._interception.sample
        if needed <= given:
            return rounded(needed)
        need = f"this run needs the first {needed} bytes of each answer and"
        if needed > MOST:
            raise GrantRefused(f"{need} an intercept samples at most {MOST}")
        raise GrantRefused(f"{need} this intercept samples {given}: start it with --sample {rounded(needed)}")

    def _grant(self, lease: Lease, sample: int, quota: Quota) -> Grant:
        where = self._interception
        return Grant(
            generation=lease.generation,
            services=lease.services,
            lease_s=self._limits.lease_s,
            linger_s=self._leases.linger_ns / 1e9,
            intercept=f"{where.hook} on {where.interface} ({where.mode})",
            sample=sample,
            quota=quota,
        )

    def _pong(self, peer: Peer, message: dict[str, Any]) -> None:
        received = time.monotonic_ns()
        if peer.lease is not None:
            self._leases.renew(peer.lease, received)
        packets_s = self._book.packets()
        if peer.watch is not None and packets_s is not None:
            peer.watch.allow_packets(packets_s, received)
        answer = {
            "sent": message.get("sent"),
            "received": received,
            "counters": self._interception.counters()._asdict(),
            "dropped": peer.outbox.dropped,
            "cpu_s": time.process_time(),
            "packets_s": packets_s,
        }
        peer.outbox.control(pack(Frame.PONG, {**answer, "answered": time.monotonic_ns()}))

    def _withdraw(self, peer: Peer, how: str, level: int, reason: str | None = None) -> None:
        """End a grant and tell the sender why."""
        self._end(peer, how, level)
        peer.close_after(Frame.END, {"reason": reason or how}, _LAST_WORDS_S)

    def _end(self, peer: Peer, how: str, level: int) -> None:
        if peer.lease is None:
            return
        lease, peer.lease, peer.share = peer.lease, None, None
        self._leases.end(lease, time.monotonic_ns())
        self._book.leave(lease.generation)
        self._audit.ends(peer, lease, how, level)
