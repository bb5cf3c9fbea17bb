"""Everything that is not an answer to a living forged range passes, untouched and unrecorded."""

from __future__ import annotations

import pytest
from packets import ETHERNET, answer, ipv4, ipv6, patched, with_tags
from scapy.all import ARP, ICMP, IP, TCP, UDP, ICMPv6EchoReply, ICMPv6ND_NA, IPv6
from scapy.layers.inet6 import IPv6ExtHdrDestOpt
from verdicts import FORGED, FORGED6, SERVER, SERVER6, Program

STRANGER, STRANGER6 = "192.0.2.7", "2001:db8::7"

PASSING = {
    "to a real user of the same service": answer(ipv4(dst=STRANGER)),
    "to a real user, IPv6": answer(ipv6(dst=STRANGER6)),
    "to a real user, super-packet": answer(ipv4(dst=STRANGER), bytes(3000)),
    "from another port of the server": answer(ipv4(), sport=22),
    "from another port, IPv6": answer(ipv6(), sport=22),
    "from another host": answer(ipv4(src=STRANGER)),
    "one address beyond the range": answer(ipv4(dst="10.17.16.0")),
    "from the forged address to the service": answer(ipv4(src=FORGED, dst=SERVER), sport=80, dport=80),
    "UDP from the service's port": bytes(ETHERNET / ipv4() / UDP(sport=80, dport=40000) / b"abc"),
    "IPv6 UDP behind an extension header": bytes(ETHERNET / ipv6() / IPv6ExtHdrDestOpt() / UDP(sport=80) / b"abc"),
    "IPv6 without next header": bytes(ETHERNET / ipv6(nh=59)),
    "echo reply": bytes(ETHERNET / ipv4() / ICMP(type=0) / b"abc"),
    "echo request": bytes(ETHERNET / ipv4() / ICMP(type=8) / b"abc"),
    "IPv6 echo reply": bytes(ETHERNET / ipv6() / ICMPv6EchoReply(data=b"abc")),
    "IPv6 neighbour advertisement": bytes(ETHERNET / ipv6() / ICMPv6ND_NA(tgt=SERVER6)),
    "ICMP error from another host": bytes(
        ETHERNET / ipv4(src=STRANGER) / ICMP(type=3, code=1) / IP(src=FORGED, dst=SERVER) / TCP(dport=80)
    ),
    "ICMP error to a real user": bytes(
        ETHERNET / ipv4(dst=STRANGER) / ICMP(type=3, code=1) / IP(src=STRANGER, dst=SERVER) / TCP(dport=80)
    ),
    "fragment from another host": bytes(ETHERNET / ipv4(src=STRANGER, frag=10, proto=6) / bytes(80)),
    "fragment to a real user": bytes(ETHERNET / ipv4(dst=STRANGER, frag=10, proto=6) / bytes(80)),
    "ARP": bytes(ETHERNET / ARP(psrc=SERVER, pdst=FORGED)),
    "EtherType of nobody": bytes(ETHERNET)[:12] + b"\x12\x34" + bytes(60),
    "IPv4 EtherType, another version": patched(answer(ipv4()), 14, b"\x65"),
    "IPv6 EtherType, another version": patched(answer(ipv6()), 14, b"\x40"),
    "20 VLAN tags": with_tags(answer(ipv4()), [0x8100] * 20),
    "nothing but VLAN tags": bytes(ETHERNET)[:12] + b"\x81\x00\x00\x05" * 16,
    "nothing but an Ethernet header": bytes(ETHERNET)[:12] + b"\x81\x00",
    "IPv6 in IPv4": bytes(ETHERNET / ipv4(proto=41) / IPv6(src=SERVER6, dst=FORGED6) / TCP(sport=80)),
}


@pytest.mark.parametrize("name", PASSING)
def test_it_passes_unrecorded(program: Program, name: str) -> None:
    verdict, records = program.judge(PASSING[name])
    assert (verdict, len(records)) == ("pass", 0)


def test_what_passes_is_counted(program: Program) -> None:
    counted = program.counted(answer(ipv4(), sport=22))
    assert (counted.passed, counted.matched) == (1, 0)
