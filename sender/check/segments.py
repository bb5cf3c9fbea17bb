"""Segments without payload from a forged address, and what an ICMP error about one says; for whoever tries the way."""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np

from gryphon.controller.record import Option
from gryphon.controller.source import IPAddress
from gryphon.sender.replay.packet import PACKET, Packets

FIN, SYN, RST, ACK = 1, 2, 4, 16
_MAPPED = 0xFFFF << 32
_WINDOW = 64_240
_NEWS = {
    (4, 0): "network unreachable",
    (4, 1): "host unreachable",
    (4, 2): "protocol unreachable",
    (4, 3): "port unreachable",
    (4, 9): "network prohibited",
    (4, 10): "host prohibited",
    (4, 13): "prohibited by a filter",
    (6, 0): "no route",
    (6, 1): "prohibited by a filter",
    (6, 3): "address unreachable",
    (6, 4): "port unreachable",
}
"""By IP version and code: of ICMP type 3 (RFC 792, RFC 1812 5.2.7.1) and ICMPv6 type 1 (RFC 4443, 3.1)."""


def none() -> Packets:
    """No packet."""
    return np.zeros(0, PACKET)


def number_of(address: IPAddress) -> int:
    """An address as records and packets have it: IPv4 mapped into IPv6."""
    return int(address) + (_MAPPED if isinstance(address, IPv4Address) else 0)


def segment(address: IPAddress, port: int, target: int, flags: int, seq: int, ack: int = 0, mss: int = 0) -> Packets:
    """One packet without payload; a SYN offers ``mss``."""
    number = number_of(address)
    packet = np.zeros(1, PACKET)
    packet["source_hi"], packet["source_lo"] = number >> 64, number & (1 << 64) - 1
    packet["seq"], packet["ack"] = seq & 0xFFFFFFFF, ack
    packet["port"], packet["target"], packet["flags"], packet["window"] = port, target, flags, _WINDOW
    if flags & SYN:
        packet["options"], packet["mss"] = int(Option.MSS), mss
    return packet


def unreachable(record: np.void) -> str:
    """What an ICMP error says, where it says that the destination is unreachable; otherwise nothing."""
    version, code = int(record["version"]), int(record["icmp_code"])
    if int(record["icmp_type"]) != (3 if version == 4 else 1):
        return ""
    return _NEWS.get((version, code), f"unreachable, code {code}")
