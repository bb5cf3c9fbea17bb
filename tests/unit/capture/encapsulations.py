"""The same IP packet in every wrapping that is read, written by scapy: link layers, tags, labels, tunnels."""

from __future__ import annotations

import struct
from collections.abc import Callable

from scapy.compat import raw
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import GRE, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import (
    GRE_PPTP,
    LLC,
    SNAP,
    CookedLinux,
    CookedLinuxV2,
    Dot1AD,
    Dot1Q,
    Dot3,
    Ether,
    Loopback,
)
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

Wrap = Callable[[bytes], Packet | bytes]


def _ip(packet: bytes) -> Packet:
    return IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)


def _kind(packet: bytes) -> int:
    return 0x0800 if packet[0] >> 4 == 4 else 0x86DD


def _ppp(packet: bytes) -> int:
    return 0x0021 if packet[0] >> 4 == 4 else 0x0057


def _outer() -> Packet:
    return Ether() / IP(src="203.0.113.1", dst="203.0.113.2")


def _outer6() -> Packet:
    return Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2")


def _frame(packet: bytes) -> Packet:
    return Ether() / _ip(packet)


def _nflog(order: str) -> Wrap:
    def wrap(packet: bytes) -> bytes:
        attributes = struct.pack(order + "HHI", 8, 1, 0) + struct.pack(order + "HH", 10, 10) + b"prefix\0\0"
        return bytes(4) + attributes + struct.pack(order + "HH", 4 + len(packet), 9) + packet

    return wrap


LINKS: dict[str, tuple[int, Wrap]] = {
    "Ethernet": (1, _frame),
    "Ethernet, 802.1Q": (1, lambda p: Ether() / Dot1Q(vlan=7) / _ip(p)),
    "Ethernet, QinQ": (1, lambda p: Ether() / Dot1AD(vlan=7) / Dot1Q(vlan=8) / _ip(p)),
    "Ethernet, 802.3 with SNAP": (1, lambda p: Dot3() / LLC() / SNAP(code=_kind(p)) / _ip(p)),
    "Ethernet, PPPoE": (1, lambda p: Ether() / PPPoE(sessionid=5) / PPP(proto=_ppp(p)) / _ip(p)),
    "Ethernet, MPLS": (1, lambda p: Ether(type=0x8847) / MPLS(s=0, label=16) / MPLS(s=1, label=17) / _ip(p)),
    "Ethernet, pseudowire": (1, lambda p: Ether(type=0x8847) / MPLS(s=1, label=17) / Raw(bytes(4)) / _frame(p)),
    "Ethernet, pseudowire without control word": (
        1,
        lambda p: Ether(type=0x8847) / MPLS(s=1, label=17) / Ether(dst="86:00:00:00:00:01") / _ip(p),
    ),
    "NULL, little": (0, lambda p: struct.pack("<I", 2 if p[0] >> 4 == 4 else 30) + p),
    "NULL, big": (0, lambda p: struct.pack(">I", 2 if p[0] >> 4 == 4 else 24) + p),
    "LOOP": (108, lambda p: Loopback(type=2 if p[0] >> 4 == 4 else 24) / _ip(p)),
    "LOOP, little": (108, lambda p: struct.pack("<I", 2) + p),
    "RAW": (101, lambda p: p),
    "RAW of BSD": (12, lambda p: p),
    "RAW of OpenBSD": (14, lambda p: p),
    "IPV4 or IPV6": (229, lambda p: p),
    "SLL": (113, lambda p: CookedLinux(proto=_kind(p)) / _ip(p)),
    "SLL, 802.1Q": (113, lambda p: CookedLinux(proto=0x8100) / Dot1Q(vlan=7) / _ip(p)),
    "SLL2": (276, lambda p: CookedLinuxV2(proto=_kind(p)) / _ip(p)),
    "C_HDLC": (104, lambda p: struct.pack("!BBH", 0x0F, 0, _kind(p)) + p),
    "PPP": (9, lambda p: PPP(proto=_ppp(p)) / _ip(p)),
    "PPP, compressed": (9, lambda p: bytes([_ppp(p)]) + p),
    "PPP, MPLS": (9, lambda p: PPP(proto=0x0281) / MPLS(s=1, label=17) / _ip(p)),
    "PPP with address and control": (9, lambda p: HDLC() / PPP(proto=_ppp(p)) / _ip(p)),
    "PPP_HDLC": (50, lambda p: HDLC() / PPP(proto=_ppp(p)) / _ip(p)),
    "PPP_HDLC of Cisco": (50, lambda p: struct.pack("!BBH", 0x8F, 0, _kind(p)) + p),
    "PPP with direction": (204, lambda p: b"\1" + raw(PPP(proto=_ppp(p)) / _ip(p))),
    "NFLOG, little": (239, _nflog("<")),
    "NFLOG, big": (239, _nflog(">")),
    "Wi-Fi": (105, lambda p: Dot11(type=2) / LLC() / SNAP(code=_kind(p)) / _ip(p)),
    "Wi-Fi, radiotap": (127, lambda p: RadioTap() / Dot11(type=2, subtype=8) / Dot11QoS() / LLC() / SNAP() / _ip(p)),
}
"""Link type and what stands around the packet."""

TUNNELS: dict[str, Wrap] = {
    "GRE": lambda p: _outer() / GRE(proto=_kind(p)) / _ip(p),
    "GRE with checksum, key, sequence": lambda p: (
        _outer() / GRE(proto=_kind(p), chksum_present=1, key_present=1, seqnum_present=1) / _ip(p)
    ),
    "GRE over IPv6": lambda p: _outer6() / GRE(proto=_kind(p)) / _ip(p),
    "GRE, Ethernet": lambda p: _outer() / GRE(proto=0x6558) / _frame(p),
    "GRE, MPLS": lambda p: _outer() / GRE(proto=0x8847) / MPLS(s=1, label=17) / _ip(p),
    "ERSPAN I": lambda p: _outer() / GRE(proto=0x88BE) / _frame(p),
    "ERSPAN II": lambda p: _outer() / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / _frame(p),
    "ERSPAN III": lambda p: _outer() / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III() / _frame(p),
    "ERSPAN III, platform header": lambda p: (
        _outer() / GRE(proto=0x22EB, seqnum_present=1) / Raw(raw(ERSPAN_III(o=1))[:12] + bytes(8)) / _frame(p)
    ),
    "PPTP": lambda p: _outer() / GRE_PPTP(seqnum_present=1, acknum_present=1) / PPP(proto=_ppp(p)) / _ip(p),
    "VXLAN": lambda p: _outer() / UDP(dport=4789) / VXLAN(vni=5, flags=8) / _frame(p),
    "VXLAN over IPv6": lambda p: _outer6() / UDP(dport=4789) / VXLAN(vni=5, flags=8) / _frame(p),
    "VXLAN, Linux' first port, tagged": lambda p: (
        _outer() / UDP(dport=8472) / VXLAN(vni=5, flags=8) / Ether() / Dot1Q() / _ip(p)
    ),
    "VXLAN-GPE": lambda p: (
        _outer() / UDP(dport=4790) / Raw(bytes([12, 0, 0, 1 if p[0] >> 4 == 4 else 2]) + bytes(4)) / _ip(p)
    ),
    "Geneve": lambda p: _outer() / UDP(dport=6081) / GENEVE(vni=5, proto=0x6558) / _frame(p),
    "Geneve with options, IP": lambda p: (
        _outer() / UDP(dport=6081) / Raw(struct.pack("!BBHI", 2, 0, _kind(p), 5 << 8) + bytes(8)) / _ip(p)
    ),
    "GRE in UDP": lambda p: _outer() / UDP(dport=4754) / GRE(proto=_kind(p)) / _ip(p),
    "MPLS in UDP": lambda p: _outer() / UDP(dport=6635) / MPLS(s=1, label=17) / _ip(p),
    "MPLS in IP": lambda p: _outer() / Raw(raw(MPLS(s=1, label=17)) + p),
    "IP in IP": lambda p: _outer() / _ip(p),
    "IP in IPv6": lambda p: _outer6() / _ip(p),
    "GRE in VXLAN in MPLS": lambda p: (
        Ether(type=0x8847)
        / MPLS(s=1, label=17)
        / IP(src="203.0.113.1", dst="203.0.113.2")
        / UDP(dport=4789)
        / VXLAN(flags=8)
        / _outer()
        / GRE(proto=_kind(p))
        / _ip(p)
    ),
}
"""Ethernet frames with the packet inside of another IP packet."""


def wrapped(wrap: Wrap, packet: bytes) -> bytes:
    """The frame; the protocol of an outer IP header is filled in where scapy cannot know it."""
    made = wrap(packet)
    if isinstance(made, Packet) and wrap is TUNNELS["MPLS in IP"]:
        made[IP].proto = 137
    return raw(made)
