"""TLS of the channel: the intercept's certificate, and what a sender trusts.

TLS 1.3 alone. The proofs of the token name the certificate (auth.py), as RFC 5929's tls-server-end-point does: who sits
in the middle with a certificate of its own cannot pass them on.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from gryphon.controller.errors import GrantRefused, InputFault

TLS_FIRST = b"\x16\x03"
"""What a TLS client says first: a handshake record (RFC 8446, 5.1)."""


@dataclass(frozen=True)
class Identity:
    """An intercept's certificate and key, loaded."""

    context: ssl.SSLContext
    fingerprint: str  # SHA-256 of the certificate, hexadecimal

    @classmethod
    def load(cls, certificate: Path, key: Path | None) -> Identity:
        """From PEM files; the key may stand in the certificate's. InputFault when that does not work."""
        for path in (certificate, *([key] if key else [])):
            _check_readable(path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0  # nobody resumes
        try:
            context.load_cert_chain(certificate, key, password=_refuse_password)
            fingerprint = _fingerprint(ssl.PEM_cert_to_DER_cert(_first_certificate(certificate)))
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error)
            raise InputFault(
                f"--tls-cert {certificate} and --tls-key {key or certificate} are no certificate with its key in PEM "
                f"({reason.replace('_', ' ').lower()})"
            ) from error
        return cls(context, fingerprint)

    def wrap(self, sock: socket.socket) -> ssl.SSLSocket:
        """The intercept's end of a connection; the handshake is still to come."""
        return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)


@dataclass(frozen=True)
class Trust:
    """By what a sender knows its intercepts: certificates signed by those of ``ca``, or these fingerprints."""

    ca: Path | None = None
    fingerprints: tuple[str, ...] = ()

    def check(self) -> None:
        """InputFault when the file of --tls-ca is none of certificates."""
        self._context()

    def wrap(self, sock: socket.socket, host: str, where: str) -> ssl.SSLSocket:
        """The sender's end of a connection, handshake done and certificate checked.

        Raises:
            GrantRefused: the other side has another certificate, or speaks no TLS.
            OSError: the connection broke.
        """
        try:
            wrapped = self._context().wrap_socket(sock, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise GrantRefused(
                f"the certificate of what answers at {where} is not that of your intercept ({error.verify_message}): "
                "check -s and --tls-ca, or pin it with --tls-fingerprint, which the intercept says at its start"
            ) from error
        except ssl.SSLError as error:
            if error.reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
                raise GrantRefused(
                    f"what answers at {where} does not speak TLS: start gryphon-intercept with --tls-cert, or leave "
                    "--tls-ca and --tls-fingerprint out"
                ) from error
            raise
        seen = peer_fingerprint(wrapped)
        if self.fingerprints and not any(hmac.compare_digest(seen, known) for known in self.fingerprints):
            wrapped.close()
            raise GrantRefused(
                f"the certificate of what answers at {where} has the fingerprint {seen}, which is not the one of "
                "--tls-fingerprint: it is not your intercept, or it has a new certificate"
            )
        return wrapped

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.ca is None:  # the fingerprint alone decides
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        _check_readable(self.ca, "--tls-ca")
        try:
            context.load_verify_locations(self.ca)
        except ssl.SSLError as error:
            raise InputFault(
                f"--tls-ca {self.ca} holds no certificate in PEM: give the intercept's, or its CA's"
            ) from error
        return context


def peer_fingerprint(sock: socket.socket) -> str:
    """The SHA-256 of the other side's certificate; empty where there is no TLS."""
    if not isinstance(sock, ssl.SSLSocket):
        return ""
    return _fingerprint(sock.getpeercert(binary_form=True) or b"")


def parse_fingerprints(text: str | None) -> tuple[str, ...]:
    """``--tls-fingerprint``: SHA-256 in hexadecimal, with or without colons; several with commas."""
    parts = [part.strip().replace(":", "").lower() for part in (text or "").split(",") if part.strip()]
    for part in parts:
        if len(part) != 64 or not set(part) <= set("0123456789abcdef"):
            raise InputFault(
                f"--tls-fingerprint {text}: give the 64 hexadecimal digits of the certificate's SHA-256, which "
                "gryphon-intercept says at its start"
            )
    return tuple(parts)


def trust(ca: Path | None, fingerprints: str | None) -> Trust | None:
    """What ``--tls-ca`` and ``--tls-fingerprint`` say; None: channels without TLS. InputFault for nonsense."""
    given = Trust(ca, parse_fingerprints(fingerprints))
    if ca is None and not given.fingerprints:
        return None
    given.check()
    return given


def _fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


def _first_certificate(path: Path) -> str:
    """The first certificate of a PEM file, which is the one shown."""
    text = path.read_text(errors="replace")
    begin, end = text.find("-----BEGIN CERTIFICATE-----"), text.find("-----END CERTIFICATE-----")
    if begin < 0 or end < begin:
        raise ValueError("no certificate")
    return text[begin : end + len("-----END CERTIFICATE-----")]


def _refuse_password() -> str:
    raise ValueError("the key asks for a passphrase: give it without one, in a file that only root reads")


def _check_readable(path: Path, option: str = "--tls-cert, --tls-key") -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputFault(f"{option}: cannot read {path}: {error.strerror}") from error
