"""What a service answers to a forged address is dropped and becomes the record that belongs to it."""

from __future__ import annotations

import time
from ipaddress import ip_address

import pytest
from packets import ETHERNET, FORGED_PORT, STAMPED, SYN_ACK, answer, ipv4, ipv6, with_tags
from scapy.all import ICMP, IP, TCP, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPOption, IPv6
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from verdicts import FORGED, FORGED6, GENERATION, SERVER, SERVER6, Program, expect, fields_of

from gryphon.controller.record import Kind, Option
from gryphon.controller.tables import mapped

V4 = {"address_lo": 0xFFFF << 32 | int(ip_address(FORGED)), "version": 4}
V6 = {
    "address_hi": int(ip_address(FORGED6)) >> 64,
    "address_lo": int(ip_address(FORGED6)) & 0xFFFFFFFFFFFFFFFF,
    "version": 6,
    "service": 1,
}
SEGMENT = {"generation": GENERATION, "port": FORGED_PORT, "seq": 1000, "ack": 2000, "window": 501, "flags": 0x18}
OPENING = SEGMENT | {
    "flags": 0x12,
    "mss": 1460,
    "window_scale": 7,
    "tsval": 77,
    "options": Option.MSS | Option.WINDOW_SCALE | Option.SACK_PERMITTED | Option.TIMESTAMP,
}
ALL_FLAGS = "FSRPAUEC"

OPTIONS_40 = [("MSS", 536), ("NOP", None), ("SAck", (1, 2, 3, 4)), ("NOP", None), ("Timestamp", (3, 4)), ("NOP", None)]

SEGMENTS = {
    "plain": (answer(ipv4(), b"abc"), V4 | SEGMENT | {"length": 3}),
    "without payload": (answer(ipv4()), V4 | SEGMENT),
    "SYN-ACK with the usual options": (answer(ipv4(), **SYN_ACK), V4 | OPENING),
    "timestamp as every segment has it": (
        answer(ipv4(), b"abc", **STAMPED),
        V4 | SEGMENT | {"length": 3, "options": Option.TIMESTAMP, "tsval": 0xDEADBEEF},
    ),
    "40 bytes of options": (
        answer(ipv4(), b"abc", options=OPTIONS_40),
        V4 | SEGMENT | {"length": 3, "mss": 536, "tsval": 3, "options": Option.MSS | Option.TIMESTAMP},
    ),
    "window scale beyond 14": (
        answer(ipv4(), options=[("WScale", 200), ("NOP", None)]),
        V4 | SEGMENT | {"options": Option.WINDOW_SCALE, "window_scale": 14},
    ),
    "options after the end of options": (
        answer(ipv4(), options=[("EOL", None), ("MSS", 9)]),
        V4 | SEGMENT,
    ),
    "all flags": (answer(ipv4(), flags=ALL_FLAGS), V4 | SEGMENT | {"flags": 0xFF}),
    "extreme numbers": (
        answer(ipv4(), seq=0xFFFFFFFF, ack=0xFFFFFFFE, window=65535, dport=65535),
        V4 | SEGMENT | {"seq": 0xFFFFFFFF, "ack": 0xFFFFFFFE, "window": 65535, "port": 65535},
    ),
    "IPv4 options": (
        answer(ipv4(options=[IPOption(b"\x94\x04\x00\x00"), IPOption(b"\x01" * 36)]), b"abc"),
        V4 | SEGMENT | {"length": 3},
    ),
    "don't fragment": (answer(ipv4(flags="DF")), V4 | SEGMENT),
    "padded by the network card": (answer(ipv4(), b"a") + bytes(20), V4 | SEGMENT | {"length": 1}),
    "802.1Q": (with_tags(answer(ipv4(), b"abc"), [0x8100]), V4 | SEGMENT | {"length": 3}),
    "QinQ": (with_tags(answer(ipv4(), b"abc"), [0x88A8, 0x8100]), V4 | SEGMENT | {"length": 3}),
    "IPv6": (answer(ipv6(), b"abc"), V6 | SEGMENT | {"length": 3}),
    "IPv6 SYN-ACK": (answer(ipv6(), **SYN_ACK), V6 | OPENING),
    "IPv6 in QinQ": (with_tags(answer(ipv6(), b"abc"), [0x88A8, 0x8100]), V6 | SEGMENT | {"length": 3}),
    "IPv6 padded": (answer(ipv6(), b"a") + bytes(20), V6 | SEGMENT | {"length": 1}),
    "IPv6 extension headers": (
        answer(
            ipv6()
            / IPv6ExtHdrHopByHop(options=[])
            / IPv6ExtHdrDestOpt(options=[])
            / IPv6ExtHdrRouting(addresses=[])
            / IPv6ExtHdrDestOpt(options=[]),
            b"abc",
        ),
        V6 | SEGMENT | {"length": 3},
    ),
    "IPv6 authentication header": (
        answer(ipv6(nh=51) / (b"\x06\x04" + bytes(22)), b"abc"),
        V6 | SEGMENT | {"length": 3},
    ),
    "IPv6 atomic fragment": (
        answer(ipv6() / IPv6ExtHdrFragment(offset=0, m=0, nh=6), b"abc"),
        V6 | SEGMENT | {"length": 3},
    ),
    "BIG TCP: the IP header cannot say the length": (answer(ipv4(len=0), bytes(300)), V4 | SEGMENT | {"length": 300}),
    "BIG TCP, IPv6": (answer(ipv6(plen=0), bytes(300)), V6 | SEGMENT | {"length": 300}),
}

IPV4_FRAGMENT = V4 | {"kind": Kind.FRAGMENT, "generation": GENERATION, "service": 0xFFFF}
IPV6_FRAGMENT = V6 | {"kind": Kind.FRAGMENT, "generation": GENERATION, "service": 0xFFFF}

FRAGMENTS = {
    "first": (answer(ipv4(flags="MF"), bytes(100)), IPV4_FRAGMENT),
    "in the middle": (bytes(ETHERNET / ipv4(flags="MF", frag=10, proto=6) / bytes(80)), IPV4_FRAGMENT),
    "last": (bytes(ETHERNET / ipv4(frag=10, proto=6) / bytes(80)), IPV4_FRAGMENT),
    "IPv6 first": (answer(ipv6() / IPv6ExtHdrFragment(m=1, nh=6), bytes(100)), IPV6_FRAGMENT),
    "IPv6 later": (bytes(ETHERNET / ipv6() / IPv6ExtHdrFragment(offset=10, nh=6) / bytes(80)), IPV6_FRAGMENT),
}

QUOTED = {"sport": FORGED_PORT, "dport": 80, "seq": 4711}
ASKED = IP(src=FORGED, dst=SERVER) / TCP(**QUOTED)
ASKED6 = IPv6(src=FORGED6, dst=SERVER6) / TCP(**QUOTED)
ERROR = {"kind": Kind.ICMP, "generation": GENERATION, "port": FORGED_PORT, "seq": 4711}

ERRORS = {
    "port unreachable": (ipv4() / ICMP(type=3, code=3) / ASKED, V4 | ERROR | {"icmp_type": 3, "icmp_code": 3}),
    "8 bytes of TCP quoted": (
        ipv4() / ICMP(type=3, code=1) / bytes(ASKED)[:28],
        V4 | ERROR | {"icmp_type": 3, "icmp_code": 1},
    ),
    "quoted with IPv4 options": (
        ipv4() / ICMP(type=11) / IP(src=FORGED, dst=SERVER, options=[IPOption(b"\x01" * 8)]) / TCP(**QUOTED),
        V4 | ERROR | {"icmp_type": 11},
    ),
    "fragmentation needed": (
        ipv4() / ICMP(type=3, code=4, nexthopmtu=1280) / ASKED,
        V4 | ERROR | {"icmp_type": 3, "icmp_code": 4, "mss": 1280},
    ),
    "about a port that is no service": (
        ipv4() / ICMP(type=3, code=3) / IP(src=FORGED, dst=SERVER) / TCP(**(QUOTED | {"dport": 81})),
        V4 | ERROR | {"icmp_type": 3, "icmp_code": 3, "service": 0xFFFF},
    ),
    "IPv6 unreachable": (
        ipv6() / ICMPv6DestUnreach(code=1) / ASKED6,
        V6 | ERROR | {"icmp_type": 1, "icmp_code": 1},
    ),
    "IPv6 time exceeded": (ipv6() / ICMPv6TimeExceeded() / ASKED6, V6 | ERROR | {"icmp_type": 3}),
    "IPv6 packet too big": (
        ipv6() / ICMPv6PacketTooBig(mtu=1400) / ASKED6,
        V6 | ERROR | {"icmp_type": 2, "mss": 1400},
    ),
    "IPv6 MTU beyond 16 bits": (
        ipv6() / ICMPv6PacketTooBig(mtu=100000) / ASKED6,
        V6 | ERROR | {"icmp_type": 2, "mss": 65535},
    ),
    "IPv6 quoted with an extension header": (
        ipv6() / ICMPv6DestUnreach() / IPv6(src=FORGED6, dst=SERVER6) / IPv6ExtHdrDestOpt() / TCP(**QUOTED),
        V6 | ERROR | {"icmp_type": 1},
    ),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_a_segment_is_dropped_and_recorded(program: Program, name: str) -> None:
    frame, fields = SEGMENTS[name]
    verdict, records = program.judge(frame)
    assert (verdict, fields_of(records)) == ("drop", [expect(**fields)])


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_is_dropped_and_recorded_without_tcp_fields(program: Program, name: str) -> None:
    frame, fields = FRAGMENTS[name]
    verdict, records = program.judge(frame)
    assert (verdict, fields_of(records)) == ("drop", [expect(**fields)])


@pytest.mark.parametrize("name", ERRORS)
def test_an_icmp_error_is_dropped_and_names_the_forged_user(program: Program, name: str) -> None:
    packet, fields = ERRORS[name]
    verdict, records = program.judge(bytes(ETHERNET / packet))
    assert (verdict, fields_of(records)) == ("drop", [expect(**fields)])


def test_a_super_packet_is_one_record_of_its_whole_length(program: Program) -> None:
    length = 60000 if program.hook == "xdp" else 3000  # More than a page the test run does not take at tc.
    _, records = program.judge(answer(ipv4(), bytes(length)))
    assert records["length"].tolist() == [length]


def test_a_record_tells_when_its_packet_came(program: Program) -> None:
    before = time.monotonic_ns()
    _, records = program.judge(answer(ipv4()))
    assert before < int(records["time_ns"][0]) < time.monotonic_ns()


def test_a_record_names_the_service_that_answered(program: Program) -> None:
    index = program.services.add(ip_address(SERVER), 8080)
    try:
        _, records = program.judge(answer(ipv4(), sport=8080))
        assert records["service"].tolist() == [index] != [program.service]
    finally:
        program.services.remove(index)


def test_an_ipv4_service_is_the_same_however_its_address_is_written() -> None:
    assert mapped(ip_address(SERVER)) == mapped(ip_address(f"::ffff:{SERVER}"))


def test_counters_tell_matched_and_recorded(program: Program) -> None:
    assert program.counted(answer(ipv4()))._asdict() == {
        "matched": 1,
        "recorded": 1,
        "ring_full": 0,
        "passed": 0,
        "malformed": 0,
    }
