"""Frames to segments: link headers, tags, extension headers, lengths; dpkt is the reference on ordinary frames."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from conversations import ACK, PSH, Conversation, ethernet, internet, same, stream_of, texts_of, write_pcap
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import LLC, SNAP, Dot3, Ether
from scapy.packet import Packet

from gryphon.controller.record import Option
from gryphon.sender.capture.columns import Array
from gryphon.sender.capture.load import load
from gryphon.sender.capture.packets import read


def talk(**options: object) -> Conversation:
    """One request and its answer."""
    conversation = Conversation(**options).open()  # type: ignore[arg-type]
    conversation.say(10, b"request")
    conversation.answer(20, b"answer")
    return conversation


def segments_of(tmp_path: Path, *packets: Packet | bytes, link: int = 1, snap: int = 262144) -> Array:
    """The decoded segments of a capture of these packets."""
    frames = [(1, bytes(packet)) for packet in packets]
    return read([write_pcap(tmp_path / "x", frames, link=link, snap=snap)]).segments


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x8100, 0x8100), (0x9100, 0x8100), (0x88A8,) * 8])
@pytest.mark.parametrize("family", [4, 6])
def test_vlan_tags_change_nothing(tmp_path: Path, tags: tuple[int, ...], family: int) -> None:
    ends = {} if family == 4 else {"client": "fd00::1", "server": "fd00::2"}
    plain = load([write_pcap(tmp_path / "plain", talk(**ends).packets)], None)
    tagged = load([write_pcap(tmp_path / "tagged", talk(tags=tags, **ends).packets)], None)
    assert same(plain, tagged)
    assert plain.sessions["version"].tolist() == [family]


@pytest.mark.parametrize(
    ("link", "header"),
    [
        (0, struct.pack("<I", 2)),
        (0, struct.pack(">I", 2)),
        (108, struct.pack(">I", 2)),
        (101, b""),
        (12, b""),
        (228, b""),
        (113, bytes(14) + b"\x08\x00"),
        (113, bytes(14) + b"\x81\x00\x00\x07\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
    ],
)
def test_other_link_types_change_nothing(tmp_path: Path, link: int, header: bytes) -> None:
    plain = talk().packets
    other = [(t, header + frame[14 : 14 + struct.unpack("!H", frame[16:18])[0]]) for t, frame in plain]
    loaded = load([write_pcap(tmp_path / "x", other, link=link)], None)
    assert same(loaded, load([write_pcap(tmp_path / "plain", plain)], None))


def test_addresses_are_host_order_and_ipv4_is_mapped(tmp_path: Path) -> None:
    row = load([write_pcap(tmp_path / "x", talk().packets)], None).sessions[0]
    assert (row["client_hi"], row["client_lo"]) == (0, 0xFFFF_0A00_0001)
    assert (row["server_hi"], row["server_lo"]) == (0, 0xFFFF_0A00_0002)
    assert (row["client_port"], row["server_port"], row["version"]) == (40000, 80, 4)
    six = talk(client="fd00:1::1", server="2001:db8::2")
    row = load([write_pcap(tmp_path / "y", six.packets)], None).sessions[0]
    assert (row["client_hi"], row["client_lo"]) == (0xFD00_0001_0000_0000, 1)
    assert (row["server_hi"], row["server_lo"]) == (0x2001_0DB8_0000_0000, 2)


def test_the_syn_options_of_the_client_are_kept(tmp_path: Path) -> None:
    conversation = Conversation()
    options = bytes([2, 4, 0x05, 0x78, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 9])
    conversation.send(0, 2, -1, None, opts=options, window=1234)
    conversation.open(1)
    conversation.say(5, b"x")
    row = load([write_pcap(tmp_path / "x", conversation.packets)], None).sessions[0]
    assert (row["syn_mss"], row["syn_window"], row["syn_window_scale"]) == (1400, 1234, 9)
    assert row["syn_options"] == sum(Option)


@pytest.mark.parametrize("options", [b"\x02", b"\x02\x05\x05", b"\x03\x00", b"\x08\xff", b"\x02\x01\x01", b"\x00\xff"])
def test_broken_options_end_the_list_and_no_more(tmp_path: Path, options: bytes) -> None:
    conversation = Conversation()
    conversation.send(0, 2, -1, None, opts=options.ljust(4, b"\1"))
    conversation.open(1)
    conversation.say(5, b"x")
    row = load([write_pcap(tmp_path / "x", conversation.packets)], None).sessions[0]
    assert (row["syn_options"], row["syn_mss"], row["syn_window_scale"]) == (0, 0, 255)


def test_the_payload_ends_where_the_ip_header_says(tmp_path: Path) -> None:
    padded = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="A") / b"abc"
    (segment,) = segments_of(tmp_path, bytes(padded) + bytes(20))
    assert (segment["length"], segment["captured"]) == (3, 3)


@pytest.mark.parametrize("family", [4, 6])
def test_without_a_total_length_the_payload_ends_with_the_frame(tmp_path: Path, family: int) -> None:
    head = IP(len=0) if family == 4 else IPv6(plen=0)
    (segment,) = segments_of(tmp_path, Ether() / head / TCP(flags="PA") / (b"x" * 100_000))
    assert (segment["length"], segment["captured"]) == (100_000, 100_000)


def test_ip_options_are_skipped(tmp_path: Path) -> None:
    packet = Ether() / IP(options=b"\x94\x04\x00\x00" * 3) / TCP(flags="A", seq=77) / b"abc"
    (segment,) = segments_of(tmp_path, packet)
    assert (segment["seq"], segment["length"]) == (77, 3)


@pytest.mark.parametrize(
    "extensions",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt(),
        IPv6ExtHdrFragment(),
        IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(),
    ],
)
def test_extension_headers_are_skipped(tmp_path: Path, extensions: Packet) -> None:
    (segment,) = segments_of(tmp_path, Ether() / IPv6() / extensions / TCP(flags="A", seq=77) / b"abc")
    assert (segment["seq"], segment["length"]) == (77, 3)


def test_authentication_headers_are_skipped(tmp_path: Path) -> None:
    transport = bytes(TCP(flags="A", seq=77)) + b"abc"
    header = struct.pack("!BBHII12x", 6, 4, 0, 1, 1)
    (segment,) = segments_of(tmp_path, Ether() / IPv6(nh=51) / (header + transport))
    assert (segment["seq"], segment["length"]) == (77, 3)


def test_ieee_802_3_with_snap_is_read(tmp_path: Path) -> None:
    packet = Dot3() / LLC() / SNAP(code=0x0800) / IP() / TCP(flags="A", seq=77) / b"abc"
    (segment,) = segments_of(tmp_path, packet)
    assert segment["seq"] == 77


def test_fragments_and_nonsense_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fragments = [
        Ether() / IP(flags="MF") / TCP(flags="A"),
        Ether() / IP(frag=3) / TCP(flags="A"),
        Ether() / IPv6() / IPv6ExtHdrFragment(m=1) / TCP(flags="A"),
    ]
    nonsense = [Ether() / IP(ihl=4) / TCP(), Ether() / IP() / TCP(dataofs=4), Ether() / IP(len=30) / TCP()]
    assert len(segments_of(tmp_path, *fragments, *nonsense)) == 0
    assert "3 packets" in caplog.text
    assert "are IP fragments" in caplog.text
    assert "have headers that make no sense" in caplog.text


def test_a_frame_cut_at_any_byte_never_reads_on(tmp_path: Path) -> None:
    whole = bytes(
        Ether() / IPv6() / IPv6ExtHdrHopByHop() / TCP(flags="S", options=[("MSS", 1400), ("WScale", 3)]) / b"abcdef"
    )
    for snap in range(1, len(whole)):
        segments = segments_of(tmp_path, whole, b"\xff" * 70, snap=snap)
        headers = len(whole) - 6
        assert len(segments) == (snap >= headers - 8), snap  # without its options a segment is still one
        if len(segments):
            assert segments["length"][0] == 6
            assert segments["captured"][0] == max(snap - headers, 0)


def test_frames_above_the_mtu_are_whole(tmp_path: Path) -> None:
    conversation = talk()
    conversation.say(30, b"g" * 60_000)
    recording = load([write_pcap(tmp_path / "x", conversation.packets)], None)
    assert texts_of(recording, 0) == [b"request", b"g" * 60_000]


def test_other_protocols_are_counted_as_packets_only(tmp_path: Path) -> None:
    packets = talk().packets
    others = [(1, bytes(60)), (2, ethernet(internet("10.0.0.1", "10.0.0.2", b"u" * 8)[:9] + b"\x11" + bytes(30)))]
    recording = load([write_pcap(tmp_path / "x", others + packets)], None)
    assert recording.packets == len(packets) + 2
    assert recording.recorded == 1


def test_both_directions_of_many_flows_are_told_apart(tmp_path: Path) -> None:
    packets = []
    for n in range(10_000):  # more than the table of flows has room for at first
        conversation = Conversation(client=f"10.{n >> 8}.{n & 255}.1", client_port=1024 + n % 7, client_isn=n)
        conversation.open()
        conversation.send(n / 1000, PSH | ACK, 0, 0, b"%d" % n)
        packets += conversation.packets
    recording = load([write_pcap(tmp_path / "x", packets)], [80])
    assert recording.recorded == 10_000
    assert {int(stream_of(recording, i)) for i in range(10_000)} == set(range(10_000))
