"""One connection at the intercept's end: from the greeting to the grant, then heartbeats until the end."""

from __future__ import annotations

import enum
import socket
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from gryphon.controller import auth
from gryphon.controller.leases import Lease
from gryphon.controller.outbox import LIMIT, Outbox
from gryphon.controller.policy import plain, show_service
from gryphon.controller.protocol import (
    CONTROL_LIMIT,
    GREETING_LIMIT,
    PROTOCOL,
    Frame,
    Inbox,
    ProtocolError,
    pack,
    unpack,
)
from gryphon.controller.record import RECORD
from gryphon.controller.source import IPNetwork, Service
from gryphon.controller.split import Share

MOST_SERVICES = 256
MOST_RANGES = 256


class Stage(enum.Enum):
    """How far a conversation has come."""

    PROOF = "proof"
    REQUEST = "request"
    GRANTED = "granted"
    CLOSING = "closing"


def gryphon_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("gryphon")
    except PackageNotFoundError:
        return "unknown"


class Peer:
    """A connection and its two buffers. What a message means for the leases is the server's business."""

    def __init__(self, sock: socket.socket, deadline: int, limit: int = LIMIT) -> None:
        self.sock = sock
        host, port = sock.getpeername()[:2]
        self.address = plain(ip_address(host.partition("%")[0]))
        self.name = show_service((self.address, port))
        self.stage = Stage.PROOF
        self.deadline = deadline
        """When its silence ends the connection, CLOCK_MONOTONIC nanoseconds."""
        self.lease: Lease | None = None
        self.share: Share | None = None
        self.outbox = Outbox(sock, limit)
        self.inbox = Inbox(GREETING_LIMIT, CONTROL_LIMIT)
        self._nonce = auth.new_nonce()

    def greet(self) -> None:
        """Say who we are and what we expect."""
        self.outbox.control(
            pack(
                Frame.HELLO,
                {
                    "protocol": PROTOCOL,
                    "gryphon": gryphon_version(),
                    "record": RECORD.itemsize,
                    "byteorder": sys.byteorder,
                    "nonce": self._nonce,
                },
            )
        )

    def receive(self) -> tuple[list[tuple[int, dict[str, Any]]], bool]:
        """Whole messages that have come in, and whether the stream goes on."""
        taken = self.inbox.receive(self.sock)
        messages = [(kind, unpack(payload)) for kind, payload in self.inbox.frames()]
        return messages, taken != 0

    def prove(self, message: dict[str, Any], token: str) -> str | None:
        """Check the sender's proof and answer with ours; the reason when it is none."""
        if message.get("protocol") != PROTOCOL:
            return (
                f"the intercept speaks version {PROTOCOL} of the channel, the sender {message.get('protocol')!r}: "
                "install the same gryphon on both hosts"
            )
        nonce = message.get("nonce")
        if not auth.is_nonce(nonce) or not auth.proves(message.get("mac"), token, "sender", self._nonce, nonce):
            return "wrong token"
        self.outbox.control(pack(Frame.WELCOME, {"mac": auth.proof(token, "intercept", nonce, self._nonce)}))
        self.stage = Stage.REQUEST
        self.inbox.limit = CONTROL_LIMIT
        return None

    def close_after(self, kind: Frame, message: dict[str, Any], seconds: float) -> None:
        """Queue a last message; the connection ends when it is out, at the latest after ``seconds``."""
        self.outbox.control(pack(kind, message))
        self.stage = Stage.CLOSING
        self.deadline = time.monotonic_ns() + int(seconds * 1e9)


class Request(NamedTuple):
    """What a sender asks for."""

    services: list[Service]
    ranges: list[IPNetwork]
    sample: int
    """Bytes of each answer's payload that its run needs."""


def parse_request(message: dict[str, Any]) -> Request:
    """The content of a REQUEST; ProtocolError when it is not one."""
    services, ranges, sample = message.get("services"), message.get("ranges"), message.get("sample", 0)
    if not isinstance(services, list) or not isinstance(ranges, list):
        raise ProtocolError("a request without services or ranges")
    if len(services) > MOST_SERVICES or len(ranges) > MOST_RANGES:
        raise ProtocolError(f"a request of more than {MOST_SERVICES} services or {MOST_RANGES} ranges")
    if type(sample) is not int or sample < 0:
        raise ProtocolError("a request whose sample is not a number of bytes")
    try:
        return Request([_service(item) for item in services], [ip_network(_text(item)) for item in ranges], sample)
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"a request that makes no sense ({error})") from error


def _service(item: object) -> Service:
    if not isinstance(item, list):
        raise TypeError("a service is [address, port]")
    address, port = item
    if type(port) is not int or not 0 < port < 65536:
        raise ValueError("a port is 1 to 65535")
    return ip_address(_text(address)), port


def _text(item: object) -> str:
    if not isinstance(item, str):
        raise TypeError("an address is text")
    return item
