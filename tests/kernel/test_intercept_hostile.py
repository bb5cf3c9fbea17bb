"""Packets that contradict themselves or end early: never a wrong record, and never an answer that leaves."""

from __future__ import annotations

import random

import pytest
from packets import ETHERNET, SYN_ACK, answer, ipv4, ipv6, patched, with_tags
from scapy.all import ICMP, IP, TCP, UDP, ICMPv6PacketTooBig, IPv6
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from verdicts import FORGED, FORGED6, SERVER, SERVER6, Program, fields_of

from gryphon.controller.record import Option

QUOTE = TCP(sport=40000, dport=80)
ASKED, ASKED6 = IP(src=FORGED, dst=SERVER) / QUOTE, IPv6(src=FORGED6, dst=SERVER6) / QUOTE
TCP_AT, TCP6_AT = 34, 54
"""Where the TCP header begins, after Ethernet and an IP header without options."""

WHOLE = {
    "IPv4 SYN-ACK": (answer(ipv4(), b"abc", **SYN_ACK), 34),
    "IPv6 SYN-ACK": (answer(ipv6(), b"abc", **SYN_ACK), 54),
    "QinQ": (with_tags(answer(ipv4(), b"abc"), [0x88A8, 0x8100]), 42),
    "IPv6 behind extension headers": (answer(ipv6() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt(), b"abc"), 54),
    "ICMP error": (bytes(ETHERNET / ipv4() / ICMP(type=3, code=3) / ASKED), 34),
    "ICMPv6 error": (bytes(ETHERNET / ipv6() / ICMPv6PacketTooBig() / ASKED6), 54),
    "fragment": (bytes(ETHERNET / ipv4(frag=10, proto=6) / bytes(20)), 34),
}
"""Frames that are dropped, and how many bytes of them it takes to know the addresses."""


@pytest.mark.parametrize("name", WHOLE)
def test_cut_short_at_every_byte_it_passes_without_addresses_and_is_dropped_with_them(
    program: Program, name: str
) -> None:
    frame, addresses_end = WHOLE[name]
    shortest = 14 if program.hook == "xdp" else addresses_end  # The test run takes no shorter ones at tc.
    verdicts = {length: program.run(frame[:length]) for length in range(shortest, len(frame))}
    assert verdicts == {length: "drop" if length >= addresses_end else "pass" for length in verdicts}
    assert len(program.ring.read()) == 0, "what the IP header promises is not there: nothing of it is recorded"


@pytest.mark.parametrize("name", WHOLE)
def test_cut_short_with_lengths_that_agree_it_is_dropped_and_never_recorded_wrongly(
    program: Program, name: str
) -> None:
    frame, addresses_end = WHOLE[name]
    whole = fields_of(program.judge(frame)[1])
    at = frame.index(b"\x45\x00") if frame[addresses_end - 20] == 0x45 else addresses_end - 40
    for length in range(addresses_end, len(frame)):
        if frame[at] == 0x45:
            cut = patched(frame[:length], at + 2, (length - at).to_bytes(2, "big"))
        elif length == addresses_end:
            continue  # Payload length 0 says nothing.
        else:
            cut = patched(frame[:length], at + 4, (length - at - 40).to_bytes(2, "big"))
        verdict, records = program.judge(cut)
        assert verdict == "drop"
        told = [{**fields, "length": 0} for fields in fields_of(records)]
        assert told in ([], [{**whole[0], "length": 0}])


MALFORMED = {
    "IPv4 header length 0": patched(answer(ipv4()), 14, b"\x40"),
    "IPv4 header length 16": patched(answer(ipv4()), 14, b"\x44"),
    "IPv4 header beyond the packet": patched(answer(ipv4()), 14, b"\x4f"),
    "IPv4 total length 10": patched(answer(ipv4()), 16, b"\x00\x0a"),
    "IPv4 total length beyond the frame": patched(answer(ipv4()), 16, b"\x00\x29"),
    "IPv4 total length 65535": patched(answer(ipv4()), 16, b"\xff\xff"),
    "IPv4 total length inside the TCP header": patched(answer(ipv4()), 16, b"\x00\x1e"),
    "IPv6 payload length beyond the frame": patched(answer(ipv6()), 18, b"\xff\xff"),
    "IPv6 payload length inside the TCP header": patched(answer(ipv6()), 18, b"\x00\x08"),
    "TCP header length 0": patched(answer(ipv4()), TCP_AT + 12, b"\x00"),
    "TCP header length 16": patched(answer(ipv4()), TCP_AT + 12, b"\x40"),
    "TCP header beyond the packet": patched(answer(ipv4()), TCP_AT + 12, b"\xf0"),
    "TCP header beyond the packet, not the frame": patched(answer(ipv4()), TCP_AT + 12, b"\xf0") + bytes(60),
    "IPv6, TCP header beyond the packet": patched(answer(ipv6()), TCP6_AT + 12, b"\xf0"),
    "IPv6 extension header beyond the packet": patched(answer(ipv6() / IPv6ExtHdrDestOpt()), TCP6_AT + 1, b"\xff"),
    "nine IPv6 extension headers": answer(ipv6() / b"".join(9 * [b"\x3c\x00\x01\x04\x00\x00\x00\x00"]), b"", sport=80),
    "ICMP error that quotes nothing": bytes(ETHERNET / ipv4() / ICMP(type=3)),
    "ICMP error that quotes UDP": bytes(ETHERNET / ipv4() / ICMP(type=3) / IP(src=FORGED, dst=SERVER) / UDP(dport=80)),
    "ICMP error that quotes a packet of somebody else": bytes(
        ETHERNET / ipv4() / ICMP(type=3) / IP(src="192.0.2.1", dst=SERVER) / QUOTE
    ),
    "ICMP error that quotes a later fragment": bytes(
        ETHERNET / ipv4() / ICMP(type=3) / IP(src=FORGED, dst=SERVER, frag=10, proto=6) / bytes(20)
    ),
    "ICMP error that quotes something else": bytes(ETHERNET / ipv4() / ICMP(type=3) / bytes(40)),
    "ICMPv6 error whose quote ends before the padding goes on with it": patched(
        bytes(ETHERNET / ipv6() / ICMPv6PacketTooBig() / ASKED6), 18, b"\x00\x2f"
    ),
    "ICMPv6 error that quotes something else": bytes(ETHERNET / ipv6() / ICMPv6PacketTooBig() / bytes(80)),
}
MALFORMED["nine IPv6 extension headers"] = patched(MALFORMED["nine IPv6 extension headers"], 20, b"\x3c")


@pytest.mark.parametrize("name", MALFORMED)
def test_a_packet_that_contradicts_itself_is_dropped_and_counted_but_not_recorded(program: Program, name: str) -> None:
    counted = program.counted(MALFORMED[name])
    assert (counted.matched, counted.malformed, counted.recorded, counted.passed) == (1, 1, 0, 0)


@pytest.mark.parametrize("name", MALFORMED)
def test_the_same_to_a_real_user_passes(program: Program, name: str) -> None:
    frame = MALFORMED[name]
    if frame[12:14] == b"\x08\x00":
        frame = patched(frame, 30, bytes([192, 0, 2, 7]))
    else:
        frame = patched(frame, 38, bytes.fromhex("20010db8") + bytes(12))
    assert program.run(frame) == "pass"


def test_a_malformed_segment_of_another_port_passes(program: Program) -> None:
    assert program.run(patched(answer(ipv4(), sport=22), TCP_AT + 12, b"\xf0")) == "pass"


def options_frame(options: bytes) -> bytes:
    """A segment with these bytes as its options, padded to 40."""
    bare = answer(ipv4(), options.ljust(40, b"\x00"))
    return patched(patched(bare, TCP_AT + 12, b"\xf0"), 16, b"\x00\x50")


OPTIONS = {
    "length 0": (b"\x02\x00" + b"\x04\x02", 0),
    "length 1": (b"\x02\x01" + b"\x04\x02", 0),
    "running past the end": (b"\x01" * 36 + b"\x08\x0a\x00\x00", 0),
    "one byte at the end": (b"\x01" * 39 + b"\x02", 0),
    "unknown kinds are stepped over": (b"\xfd\x0a" + bytes(8) + b"\x02\x04\x05\xb4", Option.MSS),
    "wrong length for the kind": (b"\x02\x03\x05" + b"\x03\x04\x07\x07" + b"\x04\x02", Option.SACK_PERMITTED),
    "40 NOPs": (b"\x01" * 40, 0),
    "all of one kind": (b"\x04\x02" * 20, Option.SACK_PERMITTED),
    "length 255": (b"\x08\xff" + bytes(38), 0),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_wrong_options_end_the_options_but_not_the_record(program: Program, name: str) -> None:
    options, seen = OPTIONS[name]
    verdict, records = program.judge(options_frame(options))
    assert (verdict, records["options"].tolist(), records["length"].tolist()) == ("drop", [seen], [0])


def test_four_vlan_tags_are_looked_through_and_a_fifth_is_not(program: Program) -> None:
    frame = answer(ipv4())
    assert [program.run(with_tags(frame, [0x8100] * tags)) for tags in range(7)] == ["drop"] * 5 + ["pass"] * 2


def test_eight_ipv6_extension_headers_are_looked_through(program: Program) -> None:
    network = ipv6()
    for _ in range(8):
        network /= IPv6ExtHdrDestOpt()
    verdict, records = program.judge(answer(network, b"abc"))
    assert (verdict, records["length"].tolist()) == ("drop", [3])


def test_a_fragment_header_behind_others_is_found(program: Program) -> None:
    network = ipv6() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=5, nh=6)
    assert program.counted(bytes(ETHERNET / network / bytes(40))).recorded == 1


def test_noise_over_the_headers_never_makes_an_answer_leave(program: Program) -> None:
    """As long as protocol, addresses and source port stand, any other byte may be anything."""
    chance = random.Random(2)
    frame = answer(ipv4(), b"abc", **SYN_ACK)
    for _ in range(2000):
        noisy = patched(frame, TCP_AT + 2, chance.randbytes(chance.randrange(1, len(frame) - TCP_AT - 2)))
        assert program.run(noisy) == "drop"
    program.ring.read()
