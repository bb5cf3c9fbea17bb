"""Clients that speak bytes, and whether a server still serves beside them."""

from __future__ import annotations

import select
import socket
from typing import Any

from fakes import records_of
from serving import RANGE, SERVICE, TOKEN, Running

from gryphon.controller import auth
from gryphon.controller.protocol import PROTOCOL, Frame, Inbox, pack


class Stranger:
    """A client that speaks bytes."""

    def __init__(self, running: Running) -> None:
        self.sock = socket.create_connection(("127.0.0.1", running.port), timeout=10)
        self.inbox = Inbox(1 << 20, 1 << 20)

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def next(self) -> tuple[int, dict[str, Any]] | None:
        """The next control message; None when the server hung up."""
        while (frame := self.inbox.first()) is None:
            try:
                if not self.inbox.receive(self.sock):
                    return None
            except ConnectionError:
                return None
        return frame

    def prove(self, token: str = TOKEN) -> tuple[int, dict[str, Any]] | None:
        """Greet as a sender does; the answer."""
        hello = self.next()
        assert hello is not None
        nonce = auth.new_nonce()
        mac = auth.proof(token, "sender", hello[1]["nonce"], nonce)
        self.sock.sendall(pack(Frame.PROOF, {"protocol": PROTOCOL, "nonce": nonce, "mac": mac}))
        return self.next()

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        """Prove and ask for the usual grant; the answer."""
        self.prove()
        request = {"services": [[str(SERVICE[0]), SERVICE[1]]], "ranges": [str(RANGE)]}
        self.sock.sendall(pack(Frame.REQUEST, request))
        return self.next()


def still_serves(running: Running) -> None:
    """A well-behaved sender gets its records."""
    channel = running.connect()
    running.interception.ring.feed(records_of(channel.grant.generation, 7))
    got = 0
    while got < 7:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        got += len(channel.read())
