"""One connection at the intercept's end: from the greeting to the grant, then heartbeats until the end."""

from __future__ import annotations

import enum
import functools
import socket
import ssl
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from typing import Any

from gryphon.controller import auth, lines
from gryphon.controller.buckets import Bucket, origin
from gryphon.controller.leases import Lease
from gryphon.controller.outbox import LIMIT, Outbox
from gryphon.controller.policy import plain, show_service
from gryphon.controller.protocol import (
    CONTROL_LIMIT,
    GREETING_LIMIT,
    PROTOCOL,
    Frame,
    Inbox,
    WrongLine,
    pack,
    unpack,
)
from gryphon.controller.record import RECORD
from gryphon.controller.request import Request
from gryphon.controller.split import Share
from gryphon.controller.tls import TLS_FIRST, Identity
from gryphon.controller.watching import Watch

MESSAGES_S, MESSAGES_BURST = 16.0, 64.0
"""Messages that a peer may send: a sender has one a second, and eight at its start."""


class Stage(enum.Enum):
    """How far a conversation has come."""

    TLS = "tls"
    PROOF = "proof"
    REQUEST = "request"
    GRANTED = "granted"
    CLOSING = "closing"


@functools.cache
def gryphon_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("gryphon")
    except PackageNotFoundError:
        return "unknown"


class Peer:
    """A connection and its two buffers. What a message means for the leases is the server's business.

    Args:
        sock: accepted, not blocking.
        deadline: when its silence ends the connection, CLOCK_MONOTONIC nanoseconds.
        limit: bytes of its outbox.
        identity: the intercept's certificate, where it has one.
    """

    def __init__(
        self, sock: socket.socket, deadline: int, limit: int = LIMIT, identity: Identity | None = None
    ) -> None:
        self.sock = sock
        host, port = sock.getpeername()[:2]
        self.address = plain(ip_address(host.partition("%")[0]))
        self.origin = origin(self.address)
        self.name = show_service((self.address, port))
        self.stage = Stage.PROOF if identity is None else Stage.TLS
        self.deadline = deadline
        self.lease: Lease | None = None
        self.share: Share | None = None
        self.watch: Watch | None = None
        self.request: Request | None = None
        self.granted_ns = self.records = 0
        self.outbox = Outbox(sock, limit)
        self.inbox = Inbox(GREETING_LIMIT, GREETING_LIMIT)
        self.messages = Bucket(MESSAGES_S, MESSAGES_BURST, time.monotonic_ns())
        self.wants_to_write = False  # in TLS's own handshake
        self._limit = limit
        self._identity = identity
        self._nonce = auth.new_nonce()

    def greet(self) -> None:
        """Say what is expected; where there is TLS, once it stands. Nothing here tells more than that we are there."""
        if self.stage is Stage.PROOF:
            self.outbox.control(pack(Frame.HELLO, {"protocol": PROTOCOL, "nonce": self._nonce}))

    def shake(self) -> bool:
        """Go on with TLS's handshake; whether the stream goes on. WrongLine: they speak none; OSError: it broke."""
        try:
            if not isinstance(self.sock, ssl.SSLSocket):
                first = self.sock.recv(1, socket.MSG_PEEK)
                if not first or self._identity is None:
                    return False
                if first != TLS_FIRST[:1]:
                    raise WrongLine("this intercept speaks TLS alone: give --tls-ca or --tls-fingerprint")
                self.sock = self._identity.wrap(self.sock)
                self.outbox = Outbox(self.sock, self._limit)
            self.sock.do_handshake()
        except lines.WOULD_BLOCK as wait:
            self.wants_to_write = isinstance(wait, ssl.SSLWantWriteError)
            return True
        self.wants_to_write = False
        self.stage = Stage.PROOF
        self.greet()
        return True

    def receive(self) -> tuple[list[tuple[int, dict[str, Any]]], bool]:
        """Whole messages that have come in, and whether the stream goes on."""
        messages: list[tuple[int, dict[str, Any]]] = []
        while True:
            taken = self.inbox.receive(self.sock)
            if self.stage is Stage.PROOF and self._identity is None and self.inbox.starts_with(TLS_FIRST):
                raise WrongLine("it speaks TLS, and this intercept was started without --tls-cert")
            messages += [(kind, unpack(payload)) for kind, payload in self.inbox.frames()]
            if not taken or not lines.pending(self.sock):
                return messages, taken != 0

    def prove(self, message: dict[str, Any], token: str) -> str | None:
        """Check the sender's proof and answer with ours; the reason when it is none."""
        reason = wrong_version(message)
        if reason is not None:
            return reason
        nonce, certificate = message.get("nonce"), self._identity.fingerprint if self._identity else ""
        mac = message.get("mac")
        if not auth.is_nonce(nonce) or not auth.proves(mac, token, "sender", self._nonce, nonce, certificate):
            return WRONG_TOKEN
        ours = {
            "mac": auth.proof(token, "intercept", nonce, self._nonce, certificate),
            "gryphon": gryphon_version(),
            "record": RECORD.itemsize,
            "byteorder": sys.byteorder,
        }
        self.outbox.control(pack(Frame.WELCOME, ours))
        self.stage = Stage.REQUEST
        self.inbox.grow(CONTROL_LIMIT, CONTROL_LIMIT)
        return None

    def close_after(self, kind: Frame, message: dict[str, Any], seconds: float) -> None:
        """Queue a last message; the connection ends when it is out, at the latest after ``seconds``."""
        self.outbox.control(pack(kind, message))
        self.stage = Stage.CLOSING
        self.deadline = time.monotonic_ns() + int(seconds * 1e9)


WRONG_TOKEN = "wrong token"


def wrong_version(message: dict[str, Any]) -> str | None:
    """Why a KNOCK or PROOF is of another protocol; None when it is of ours."""
    theirs = message.get("protocol")
    if theirs == PROTOCOL:
        return None
    shown = theirs if type(theirs) is int else "none"
    return (
        f"the intercept speaks version {PROTOCOL} of the channel, the sender {shown}: install the same gryphon on both "
        "hosts"
    )
