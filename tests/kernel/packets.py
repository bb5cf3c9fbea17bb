"""Packets of a server under test, built with scapy."""

from __future__ import annotations

from typing import Any

from scapy.all import IP, TCP, Ether, IPv6
from verdicts import FORGED, FORGED6, PORT, SERVER, SERVER6

FORGED_PORT = 40000
ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
ANSWER: dict[str, Any] = {"sport": PORT, "dport": FORGED_PORT, "flags": "PA", "seq": 1000, "ack": 2000, "window": 501}
SYN_ACK: dict[str, Any] = ANSWER | {
    "flags": "SA",
    "options": [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (77, 5)), ("NOP", None), ("WScale", 7)],
}
STAMPED: dict[str, Any] = {"options": [("NOP", None), ("NOP", None), ("Timestamp", (0xDEADBEEF, 5))]}
"""As all but a SYN carry it."""


def ipv4(**fields: Any) -> Any:
    """An IPv4 header from the server to a forged address."""
    return IP(**({"src": SERVER, "dst": FORGED} | fields))


def ipv6(**fields: Any) -> Any:
    """An IPv6 header from the server to a forged address."""
    return IPv6(**({"src": SERVER6, "dst": FORGED6} | fields))


def answer(network: Any, payload: bytes = b"", **fields: Any) -> bytes:
    """A frame with a TCP segment of the service."""
    return bytes(ETHERNET / network / TCP(**(ANSWER | fields)) / payload)


def with_tags(frame: bytes, types: list[int]) -> bytes:
    """Puts VLAN tags into a frame, outermost first."""
    tags = b"".join(kind.to_bytes(2, "big") + b"\x00\x05" for kind in types)
    return frame[:12] + tags + frame[12:]


def patched(frame: bytes, at: int, value: bytes) -> bytes:
    """Writes over some bytes of a frame."""
    return frame[:at] + value + frame[at + len(value) :]
