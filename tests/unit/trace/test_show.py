"""Traces as text and as a capture: relative numbers, real lengths, what is not known left out."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import dpkt
import pytest

from gryphon.controller.errors import InputFault
from gryphon.sender.trace.show import transcripts, write_capture
from gryphon.sender.trace.tape import Segment, Traced
from gryphon.sender.transmit.interface import Target

SECOND = 1_000_000_000
SYN, PSH, ACK = 2, 8, 16


def traced(address: str = "10.17.15.1", fate: str = "timeout") -> Traced:
    segments = [
        Segment(SECOND, True, SYN, 5000, 0, 0, 64240, b"", 1),
        Segment(SECOND + 1_000_000, False, SYN | ACK, 9000, 5001, 0, 65160, b"", 2),
        Segment(SECOND + 2_000_000, True, PSH | ACK, 5001, 9001, 6, 502, b"GET /\n", 3),
        Segment(SECOND + 9_000_000, False, PSH | ACK, 9001, 5007, 1448, 500, b"", 4),
        Segment(SECOND + 9_500_000, False, 0, 0, 0, 0, 0, b"", 0, kind=1),
    ]
    return Traced(7, 0, address, 32768, 0, fate, segments)


def target(address: str = "10.16.15.118") -> list[Target]:
    return [Target(ip_address(address), 80, 0)]


def test_a_transcript_counts_from_each_side_s_first_number() -> None:
    head, _, *lines = transcripts([traced()], target())
    assert head == "trace       user 7, 10.17.15.1:32768 -> 10.16.15.118: timeout"
    assert [line.split()[1:6] for line in lines[:4]] == [
        ["->", "S", "0", "0", "64240"],
        ["<-", "SA", "0", "1", "0"],
        ["->", "PA", "1", "1", "6"],
        ["<-", "PA", "1", "7", "1448"],
    ]
    assert lines[2].endswith("GET /\\n")
    assert "an ICMP error" in lines[4]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("user", "server"), [("10.17.15.1", "10.16.15.118"), ("fd00:17::1", "fd00:16::118")])
def test_the_capture_has_every_segment_with_the_length_that_it_had(user: str, server: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.pcap"
    write_capture(path, [traced(user)], target(server), wall_ns=1_700_000_000 * SECOND)
    with path.open("rb") as file:
        read = list(dpkt.pcap.Reader(file))
    kind = dpkt.ip.IP if "." in user else dpkt.ip6.IP6
    packets = [kind(data) for _, data in read]
    assert [packet.data.flags for packet in packets] == [SYN, SYN | ACK, PSH | ACK, PSH | ACK]
    assert packets[2].data.data == b"GET /\n"
    whole = [packet.len - 20 if "." in user else packet.plen for packet in packets]
    assert [length - 20 for length in whole] == [0, 0, 6, 1448]
    assert read[0][0] == pytest.approx(1_700_000_001)


def test_a_capture_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match="traces cannot be written"):
        write_capture(tmp_path, [traced()], target(), 0)
