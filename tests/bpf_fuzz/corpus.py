"""Frames to begin from, built with scapy: one of each kind that a server, its network card or a router makes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple

from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, ICMPv6EchoReply, ICMPv6ND_NA, ICMPv6PacketTooBig, IPOption, IPv6
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6TimeExceeded,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)

from tests.bpf_fuzz.rules import MAPPED, Range, World

SERVERS = {4: ("10.16.15.118", "10.16.15.119"), 6: ("fd00:16:15::118", "::a10:f76")}
"""The last one's bytes are the first one's, but not mapped: another host."""
USERS = {
    4: ("10.17.15.9", "10.17.15.200", "10.17.16.1", "10.18.0.1", "10.17.15.65", "192.0.2.7"),
    6: ("fd00:17::9", "fd00:17::1:0:9", "fd00:17:1::9", "fd00:18::1", "::a11:f09", "2001:db8::7"),
}
"""In a living range, in a dead one inside it, in a wider one, in a dead one, in the ninth of nine, a real user."""
PORTS = (80, 8080, 443)
"""The first two are services."""

_ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
_TEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" + bytes(range(200, 256)) * 2
_OPENING = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (77, 5)), ("NOP", None), ("WScale", 7)]
_STAMP = [("NOP", None), ("NOP", None), ("Timestamp", (0xDEADBEEF, 5))]
_SACK = [("NOP", None), ("NOP", None), ("SAck", (1, 2, 3, 4, 5, 6))]


class Seed(NamedTuple):
    """A frame without tags and where its headers begin."""

    frame: bytes
    version: int
    transport: int
    """Offset of the transport header; of the IP header it is 14."""


def number(text: str) -> int:
    """An address as the maps have it."""
    address = ip_address(text)
    return int(address) if address.version == 6 else MAPPED | int(address)


def world(many: bool) -> World:
    """What is registered: a handful, or with ``many`` more than the programs' short way has room for (8 each)."""
    hosts = [*SERVERS[4], *SERVERS[6]][: 4 if many else 3]
    services = [(number(host), port) for host in hosts for port in PORTS[:2]]
    if many:
        services += [(number(SERVERS[4][0]), 9000 + extra) for extra in range(4)]
    return World(
        {service: index for index, service in enumerate(services)}, frozenset(map(number, hosts)), _ranges(many)
    )


def _ranges(many: bool) -> tuple[Range, ...]:
    listed = [
        ("10.17.15.0", 96 + 24, 11, True),
        ("10.17.15.128", 96 + 25, 12, False),
        ("10.17.0.0", 96 + 16, 13, True),
        ("10.18.0.0", 96 + 16, 14, False),
        ("fd00:17::", 64, 15, True),
        ("fd00:17::1:0:0", 96, 16, False),
        ("fd00:17::", 32, 17, True),
    ]
    if many:  # nine dead ones inside each other: what lives around them is not looked for any more
        listed += [("10.17.15.65", 96 + 24 + bits, 20 + bits, False) for bits in range(1, 9)]
        listed += [("10.17.15.65", 96 + 23, 19, False), ("::a11:f00", 120, 18, True)]
    return tuple(
        Range(number(text) >> 128 - prefix << 128 - prefix, prefix, generation, lives)
        for text, prefix, generation, lives in listed
    )


def seeds() -> list[Seed]:
    """All of them."""
    return [*_segments(), *_fragments(), *_errors(), *_others()]


def _networks() -> Iterator[tuple[int, Any]]:
    for user in USERS[4][:3]:
        yield 4, IP(src=SERVERS[4][0], dst=user)
    yield 4, IP(src=SERVERS[4][0], dst=USERS[4][0], options=[IPOption(b"\x94\x04\x00\x00"), IPOption(b"\x01" * 36)])
    yield 4, IP(src=SERVERS[4][0], dst=USERS[4][0], flags="DF", len=0)
    for user in USERS[6][:3]:
        yield 6, IPv6(src=SERVERS[6][0], dst=user)
    yield 6, IPv6(src=SERVERS[6][0], dst=USERS[6][0], plen=0)


def _segments() -> Iterator[Seed]:
    for (version, network), port in itertools.product(_networks(), PORTS[:2]):
        for flags, options, payload in (
            ("SA", _OPENING, b""),
            ("PA", [], _TEXT),
            ("A", _STAMP, _TEXT[:21]),
            ("FA", _STAMP, b""),
            ("R", [], b""),
            ("A", _SACK, b"x"),
        ):
            yield _seed(version, network / TCP(sport=port, dport=40000, flags=flags, options=options, seq=7) / payload)


def _fragments() -> Iterator[Seed]:
    for more, offset in ((1, 0), (1, 10), (0, 10)):
        yield _seed(4, IP(src=SERVERS[4][0], dst=USERS[4][0], flags="MF" if more else 0, frag=offset) / TCP(sport=80))
        header = IPv6ExtHdrFragment(m=more, offset=offset, nh=6)
        yield _seed(6, IPv6(src=SERVERS[6][0], dst=USERS[6][0]) / header / TCP(sport=80))


def _errors() -> Iterator[Seed]:
    asked = IP(src=USERS[4][0], dst=SERVERS[4][0]) / TCP(sport=40000, dport=80, seq=4711)
    for kind, code in ((3, 1), (3, 4), (5, 1), (11, 0), (12, 0), (4, 0)):
        yield _seed(4, IP(src=SERVERS[4][0], dst=USERS[4][0]) / ICMP(type=kind, code=code, nexthopmtu=1280) / asked)
    asked6 = IPv6(src=USERS[6][0], dst=SERVERS[6][0])
    for quoted in (asked6, asked6 / IPv6ExtHdrDestOpt()):
        for error in (ICMPv6DestUnreach(code=1), ICMPv6PacketTooBig(mtu=1400), ICMPv6TimeExceeded()):
            segment = TCP(sport=40000, dport=8080, seq=4711)
            yield _seed(6, IPv6(src=SERVERS[6][0], dst=USERS[6][0]) / error / quoted / segment)


def _others() -> Iterator[Seed]:
    for headers in (
        IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(addresses=[]) / IPv6ExtHdrDestOpt(),
        IPv6ExtHdrFragment(offset=0, m=0),
        IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=5),
    ):
        yield _seed(6, IPv6(src=SERVERS[6][0], dst=USERS[6][0]) / headers / TCP(sport=80, dport=40000) / _TEXT)
    yield _seed(4, IP(src=SERVERS[4][0], dst=USERS[4][0]) / UDP(sport=80, dport=40000) / _TEXT)
    yield _seed(4, IP(src=SERVERS[4][0], dst=USERS[4][0]) / ICMP(type=0) / _TEXT)
    yield _seed(6, IPv6(src=SERVERS[6][0], dst=USERS[6][0]) / ICMPv6EchoReply(data=_TEXT))
    yield _seed(6, IPv6(src=SERVERS[6][0], dst=USERS[6][0]) / ICMPv6ND_NA(tgt=SERVERS[6][0]))
    yield _seed(4, ARP(psrc=SERVERS[4][0], pdst=USERS[4][0]))
    yield _seed(4, IP(src=SERVERS[4][0], dst=USERS[4][0]) / TCP(sport=80, dport=40000) / bytes(2500))


def _seed(version: int, packet: Any) -> Seed:
    frame = bytes(_ETHERNET / packet)
    return Seed(frame, version, 14 + (frame[14] % 16 * 4 if version == 4 else 40))
