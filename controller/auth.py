"""Both sides show that they know the token without sending it: HMAC-SHA256 over both nonces, a label per role.

The labels keep either side from reflecting the other's proof; the nonces keep an old conversation from being played
again. A proof also covers the certificate that its side sees (the fingerprint; nothing without TLS): it cannot be
passed on from a channel with another certificate, or from one without TLS to one with. Without TLS, what follows is
neither encrypted nor signed: such a channel belongs where the wires are trusted.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TypeGuard

_NONCE_BYTES = 32
_LABELS = {"sender": b"gryphon 3 sender", "intercept": b"gryphon 3 intercept"}


def new_nonce() -> str:
    """A fresh nonce, as hexadecimal text."""
    return secrets.token_hex(_NONCE_BYTES)


def is_nonce(value: object) -> TypeGuard[str]:
    """Whether ``value`` has the form of a nonce: the other side must not choose how the mac's parts meet."""
    return isinstance(value, str) and len(value) == 2 * _NONCE_BYTES and set(value) <= set("0123456789abcdef")


def proof(token: str, role: str, challenge: str, own: str, certificate: str = "") -> str:
    """What ``role`` ("sender", "intercept") answers to the other side's nonce ``challenge``, adding its own."""
    text = b"|".join((_LABELS[role], challenge.encode(), own.encode(), certificate.encode()))
    return hmac.new(token.encode(), text, "sha256").hexdigest()


def proves(mac: object, token: str, role: str, challenge: str, other: str, certificate: str = "") -> bool:
    """Whether ``mac`` is the proof of ``role`` for our ``challenge``; equally slow for any wrong one."""
    if not isinstance(mac, str):
        return False
    expected = proof(token, role, challenge, other, certificate)
    return hmac.compare_digest(mac.encode(errors="replace"), expected.encode())
