"""The payload sample: the first bytes of a segment's payload behind its record, and never anything else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest
from packets import ETHERNET, FORGED_PORT, SYN_ACK, answer, ipv4, ipv6, with_tags
from scapy.all import ICMP, IP, TCP, ICMPv6PacketTooBig, IPOption, IPv6
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from verdicts import FORGED, FORGED6, SERVER, SERVER6, Program

from gryphon.controller.record import Records
from gryphon.controller.samples import sampled

SAMPLE = 64
TEXT = bytes(range(1, 256)) * 8
STAMPED = {"options": [("NOP", None), ("NOP", None), ("Timestamp", (7, 5))]}
FULL_RING = 1 << 12
"""Bytes: a record with a sample comes to a place where an older one was after 30 others."""


@pytest.fixture(scope="module", params=[("xdp", SAMPLE), ("tc", SAMPLE), ("xdp", 1024), ("tc", 1024)], ids=str)
def _sampling(request: pytest.FixtureRequest) -> Iterator[Program]:
    program = Program(request.param[0], FULL_RING, request.param[1])
    program.register()
    yield program
    program.close()


@pytest.fixture
def sampling(_sampling: Program) -> Program:
    """The program of each hook, with a short and the longest sample; everywhere in its ring are old samples."""
    for _ in range(2 * FULL_RING // (72 + _sampling.sample)):
        _sampling.judge(answer(ipv4(), b"\xee" * _sampling.sample))
    return _sampling


def sample_of(records: Records, size: int) -> bytes:
    """The sample of the one record, once it is zero behind what it says to hold."""
    assert records.dtype == sampled(size)
    assert len(records) == 1
    length, sample = int(records["sample_length"][0]), bytes(records["sample"][0])
    assert sample[length:] == bytes(size - length)
    return sample[:length]


SEGMENTS = {
    "plain": answer(ipv4(), TEXT[:300]),
    "shorter than the sample": answer(ipv4(), b"HTTP/1.1 204 No Content\r\n\r\n"),
    "one byte": answer(ipv4(), b"+"),
    "of an odd length": answer(ipv4(), TEXT[:61]),
    "a byte less than the short sample": answer(ipv4(), TEXT[: SAMPLE - 1]),
    "as long as the short sample": answer(ipv4(), TEXT[:SAMPLE]),
    "a byte more than the short sample": answer(ipv4(), TEXT[: SAMPLE + 1]),
    "as long as the longest sample": answer(ipv4(), TEXT[:1024]),
    "longer than any sample": answer(ipv4(), TEXT[:1025]),
    "behind a timestamp": answer(ipv4(), TEXT[:300], **STAMPED),
    "behind 40 bytes of options": answer(
        ipv4(), TEXT[:300], options=[("SAck", (1, 2, 3, 4, 5, 6)), ("NOP", None), ("NOP", None)]
    ),
    "behind IPv4 options": answer(ipv4(options=[IPOption(b"\x01" * 36)]), TEXT[:300]),
    "in 802.1Q": with_tags(answer(ipv4(), TEXT[:300]), [0x8100]),
    "in QinQ": with_tags(answer(ipv6(), TEXT[:300], **STAMPED), [0x88A8, 0x8100]),
    "IPv6": answer(ipv6(), TEXT[:300]),
    "behind IPv6 extension headers": answer(
        ipv6() / IPv6ExtHdrHopByHop(options=[]) / IPv6ExtHdrDestOpt(options=[]), TEXT[:300]
    ),
    "BIG TCP": answer(ipv4(len=0), TEXT[:1500]),
    "of a SYN-ACK with data": answer(ipv4(), TEXT[:9], **SYN_ACK),
    "of a FIN": answer(ipv4(), TEXT[:9], flags="FPA"),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_the_sample_is_the_payloads_beginning(sampling: Program, name: str) -> None:
    frame = SEGMENTS[name]
    verdict, records = sampling.judge(frame)
    payload = frame[len(frame) - int(records["length"][0]) :]
    assert verdict == "drop"
    assert payload[:1] in (b"\x01", b"H", b"+")
    assert sample_of(records, sampling.sample) == payload[: sampling.sample]


@pytest.mark.parametrize("network", [ipv4(), ipv6()], ids=["IPv4", "IPv6"])
def test_padding_behind_a_short_packet_is_not_sampled(sampling: Program, network: object) -> None:
    _, records = sampling.judge(answer(network, b"ab") + b"\xaa" * 20)
    assert sample_of(records, sampling.sample) == b"ab"


QUOTED = TCP(sport=FORGED_PORT, dport=80, seq=4711)
WITHOUT = {
    "pure ACK": answer(ipv4(), flags="A"),
    "pure ACK, padded": answer(ipv4(), flags="A") + b"\xaa" * 6,
    "pure ACK, IPv6": answer(ipv6(), flags="A", **STAMPED),
    "SYN-ACK": answer(ipv4(), **SYN_ACK),
    "RST": answer(ipv4(), flags="R"),
    "ICMP error": bytes(ETHERNET / ipv4() / ICMP(type=3, code=3) / IP(src=FORGED, dst=SERVER) / QUOTED / TEXT[:100]),
    "ICMPv6 error": bytes(
        ETHERNET / ipv6() / ICMPv6PacketTooBig(mtu=1280) / IPv6(src=FORGED6, dst=SERVER6) / QUOTED / TEXT[:100]
    ),
    "first fragment": answer(ipv4(flags="MF"), TEXT[:304]),
    "later fragment": bytes(ETHERNET / ipv4(frag=10, proto=6) / TEXT[:80]),
    "IPv6 fragment": answer(ipv6() / IPv6ExtHdrFragment(m=1, nh=6), TEXT[:300]),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_payload_of_its_own_has_an_empty_sample(sampling: Program, name: str) -> None:
    verdict, records = sampling.judge(WITHOUT[name])
    assert (verdict, sample_of(records, sampling.sample)) == ("drop", b"")


def test_a_super_packet_is_sampled_at_its_beginning(sampling: Program) -> None:
    size = 60000 if sampling.hook == "xdp" else 3000  # More than a page the test run does not take at tc.
    _, records = sampling.judge(answer(ipv4(), (TEXT * 30)[:size]))
    assert records["length"].tolist() == [size]
    assert sample_of(records, sampling.sample) == TEXT[: sampling.sample]


@pytest.mark.parametrize("_sampling", [("xdp", SAMPLE), ("xdp", 1024)], ids=str, indirect=True)
@pytest.mark.parametrize("linear", [66, 67, 100, 129, 130])
def test_a_sample_is_put_together_from_several_buffers(sampling: Program, linear: int) -> None:
    """A test run at tc has one buffer; there every answer of a real stack has several, as in test_live_server.py."""
    frame = answer(ipv4(), TEXT[:2000], **STAMPED)
    try:
        _, records = sampling.judge(frame, linear)
    except OSError as error:
        if error.errno == errno.EINVAL and not os.environ.get("CI"):
            pytest.skip("a test run with a second buffer needs Linux 6.18")
        raise
    assert records["length"].tolist() == [2000]
    assert sample_of(records, sampling.sample) == TEXT[: sampling.sample]


def test_every_record_of_a_batch_has_its_own_sample(sampling: Program) -> None:
    for each in range(3):
        sampling.run(answer(ipv4(), bytes([each + 1]) * 20, seq=each))
    records = sampling.ring.read()
    assert [set(record["sample"].tolist()) for record in records] == [{0, 1}, {0, 2}, {0, 3}]
    assert records["sample_length"].tolist() == [20, 20, 20]
