"""The sender's half of the greeting: find the intercept, prove the token both ways, ask for the grant."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from gryphon.controller import auth, lines
from gryphon.controller.errors import EnvironmentFault, GrantRefused
from gryphon.controller.intent import Intent
from gryphon.controller.protocol import PROTOCOL, Frame, Inbox, ProtocolError, pack
from gryphon.controller.quota import parse_quota
from gryphon.controller.record import RECORD
from gryphon.controller.samples import rounded
from gryphon.controller.source import Grant, IPAddress, IPNetwork
from gryphon.controller.tls import Trust, peer_fingerprint

_TOKEN_HINT = "give the one that gryphon-intercept printed at its start (--token, --token-file or GRYPHON_TOKEN)"


class Greeting:
    """A blocking conversation with an intercept; every fault is one sentence that names it."""

    def __init__(self, address: str, port: int, inbox: Inbox, timeout: float, trust: Trust | None = None) -> None:
        self.where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.inbox = inbox
        self._deadline = time.monotonic() + timeout
        self._timeout = timeout
        self.sock = self._connect(address, port)
        if trust is not None:
            try:
                with self._blaming():
                    self.sock = trust.wrap(self.sock, address.partition("%")[0], self.where)
            except BaseException:
                self.sock.close()
                raise

    def prove(self, token: str) -> None:
        """Show that we know the token, and have the intercept show it too. GrantRefused when either does not."""
        self.send(Frame.KNOCK, {"protocol": PROTOCOL})
        hello = self._expect(Frame.HELLO)
        self._check_same({"protocol": PROTOCOL}, hello)
        challenge, nonce, certificate = hello.get("nonce"), auth.new_nonce(), peer_fingerprint(self.sock)
        if not isinstance(challenge, str) or not auth.is_nonce(challenge):
            raise self._stranger("its greeting has no nonce")
        mac = auth.proof(token, "sender", challenge, nonce, certificate)
        self.send(Frame.PROOF, {"protocol": PROTOCOL, "nonce": nonce, "mac": mac})
        welcome = self._expect(Frame.WELCOME)
        if not auth.proves(welcome.get("mac"), token, "intercept", nonce, challenge, certificate):
            raise GrantRefused(f"what answers at {self.where} does not know the token: it is not your intercept")
        self._check_same({"record": RECORD.itemsize, "byteorder": sys.byteorder}, welcome)

    def ask(
        self, services: Sequence[tuple[IPAddress, int]], ranges: Sequence[IPNetwork], sample: int, intent: Intent
    ) -> Grant:
        """Ask for a grant and a sample of so many bytes. GrantRefused with the intercept's reason when it says no."""
        request = {
            "services": [[str(address), port] for address, port in services],
            "ranges": list(map(str, ranges)),
            "sample": sample,
            "intent": intent.message(),
        }
        self.send(Frame.REQUEST, request)
        try:
            grant = parse_grant(self._expect(Frame.GRANT))
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise self._stranger("its grant makes no sense") from error
        if len(grant.services) != len(services):
            raise self._stranger(f"it grants {len(grant.services)} services where {len(services)} were asked for")
        if grant.sample != rounded(sample):
            raise self._stranger(f"it grants samples of {grant.sample} bytes where {sample} are needed")
        return grant

    def send(self, kind: Frame, message: dict[str, Any]) -> None:
        """Send one control message."""
        with self._blaming():
            self.sock.settimeout(self._left())
            self.sock.sendall(pack(kind, message))

    def _connect(self, address: str, port: int) -> socket.socket:
        try:
            sock = socket.create_connection((address, port), timeout=self._timeout)
        except socket.gaierror as error:
            raise EnvironmentFault(f"the intercept's host '{address}' is not known: {error.strerror}") from error
        except OSError as error:
            raise EnvironmentFault(_nobody(self.where, self._timeout, error)) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _expect(self, wanted: Frame) -> dict[str, Any]:
        kind, message = self._next()
        if kind == Frame.REFUSAL:
            reason = str(message.get("reason"))
            hint = f": {_TOKEN_HINT}" if reason == "wrong token" else ""
            raise GrantRefused(f"the intercept at {self.where} refuses: {reason}{hint}")
        if kind == Frame.END:
            raise GrantRefused(f"the intercept at {self.where} refuses: {message.get('reason')}")
        if kind != wanted:
            raise self._stranger(f"a message of type {kind} instead of {wanted.name}")
        return message

    def _next(self) -> tuple[int, dict[str, Any]]:
        with self._blaming():
            while True:
                frame = self.inbox.first()
                if frame is not None:
                    return frame
                self.sock.settimeout(self._left())
                if not self.inbox.receive(self.sock):
                    raise EnvironmentFault(
                        f"what answers at {self.where} hung up in the greeting: is it gryphon-intercept, "
                        "and is it still running?"
                    )

    def _check_same(self, ours: dict[str, Any], message: dict[str, Any]) -> None:
        """GrantRefused where the intercept has something else than we have."""
        theirs = {key: message.get(key) for key in ours}
        if theirs != ours:
            release = f" (gryphon {message['gryphon']})" if "gryphon" in message else ""
            raise GrantRefused(
                f"the intercept at {self.where}{release} speaks {theirs}, this sender {ours}: install the same gryphon "
                "on both hosts"
            )

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @contextlib.contextmanager
    def _blaming(self) -> Any:
        try:
            yield
        except ProtocolError as error:
            raise self._stranger(str(error)) from error
        except TimeoutError as error:
            raise EnvironmentFault(
                f"what listens at {self.where} did not answer within {self._timeout:g} s: is it gryphon-intercept?"
            ) from error
        except OSError as error:
            raise EnvironmentFault(f"the connection to {self.where} broke: {lines.why(error)}") from error

    def _stranger(self, why: str) -> EnvironmentFault:
        return EnvironmentFault(f"what answers at {self.where} is not gryphon-intercept ({why}): check -s")


def parse_grant(message: dict[str, Any]) -> Grant:
    """A GRANT. KeyError, ValueError, TypeError or OverflowError when it makes no sense."""
    services = [int(index) for index in message["services"]]
    grant = Grant(
        generation=int(message["generation"]),
        services=services,
        lease_s=float(message["lease_s"]),
        linger_s=float(message["linger_s"]),
        intercept=str(message["intercept"]),
        sample=int(message["sample"]),
        quota=parse_quota(message["quota"]),
    )
    if not all(0 <= number < 1 << 16 for number in (grant.generation, *services)):
        raise ValueError("generation and services have 16 bits in a record")
    if not (0 <= grant.lease_s < 1e9 and 0 <= grant.linger_s < 1e9):
        raise ValueError("these are no times")
    return grant


def _nobody(where: str, timeout: float, error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"no intercept listens at {where}: start gryphon-intercept on that host"
    if isinstance(error, TimeoutError):
        return (
            f"{where} does not answer within {timeout:g} s: check that host's address, its firewall, "
            "and that gryphon-intercept runs there"
        )
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"there is no way to the intercept at {where} ({error.strerror}): check the address and the routes"
    return f"cannot connect to the intercept at {where}: {error.strerror or error}"
