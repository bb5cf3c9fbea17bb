"""Packets as they are written: plain headers, segments too large for one packet, and what the snap length cut."""

from __future__ import annotations

import struct
from pathlib import Path

import dpkt
import pytest
from conversations import ACK, FIN, PSH, Conversation, bare, ethernet, stream_of, write_pcap
from encapsulations import LINKS, TUNNELS, wrapped
from extracts import extracted, tells_the_same
from scapy.all import IP, fragment, raw

from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import DEFAULT
from gryphon.sender.extract import write

CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
TIMESTAMPS = b"\x01\x01\x08\x0a" + bytes(range(8))


def records(path: Path) -> list[tuple[int, int, bytes]]:
    """(time, bytes on the wire, frame) of each packet of an extract."""
    content, at, found = path.read_bytes(), 24, []
    assert content[:24] == struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
    while at < len(content):
        seconds, nanoseconds, captured, original = struct.unpack_from("<IIII", content, at)
        found.append((seconds * 10**9 + nanoseconds, original, content[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return found


def large(talk: Conversation, at_ms: float, size: int, flags: int = PSH | ACK) -> None:
    """The client says more than an IP packet holds; offload leaves its length field 0."""
    before = len(talk.packets)
    talk.say(at_ms, b"", flags)
    time, small = talk.packets.pop(before)
    data = bytes(n % 251 for n in range(size))
    frame = bytearray(small[: 14 + 40] + data)
    frame[16:18] = bytes(2)
    talk.packets.append((time, bytes(frame)))
    talk.said += size


@pytest.mark.parametrize("ends", [{}, {"client": "fd00::1", "server": "fd00::2"}])
def test_headers_are_plain_whatever_the_original_had(ends: dict[str, str], tmp_path: Path) -> None:
    talk = Conversation(tags=(0x88A8, 0x8100), **ends).open()
    talk.send(2, PSH | ACK, 0, 0, b"odd", opts=TIMESTAMPS)
    path = tmp_path / "small.pcap"
    extracted([write_pcap(tmp_path / "x", talk.packets)], {80}, path)
    written = records(path)
    assert [time for time, _, _ in written] == [time for time, _ in talk.packets]
    for (_, original, frame), (_, recorded) in zip(written, talk.packets, strict=True):
        mine, theirs = dpkt.ethernet.Ethernet(frame), dpkt.ethernet.Ethernet(recorded)
        assert original == len(frame)
        from_client = mine.data.data.dport == 80
        assert (mine.src, mine.dst) == ((CLIENT_MAC, SERVER_MAC) if from_client else (SERVER_MAC, CLIENT_MAC))
        assert (mine.data.src, mine.data.dst) == (theirs.data.src, theirs.data.dst)
        theirs.data.data.sum = mine.data.data.sum
        assert bytes(mine.data.data) == bytes(theirs.data.data)
        if ends:
            assert (mine.data.hlim, mine.data.fc, mine.data.flow) == (64, 0, 0)
        else:
            assert (mine.data.ttl, mine.data.df, mine.data.mf, mine.data.id, len(mine.data.opts)) == (64, 1, 0, 0, 0)


@pytest.mark.parametrize("name", [*LINKS, *TUNNELS])
def test_every_link_type_and_tunnel_gives_the_same_file(name: str, tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"a" * 200)
    talk.answer(20, b"b" * 1400)
    link, wrap = LINKS.get(name) or (1, TUNNELS[name])
    frames = [(time_ns, wrapped(wrap, packet)) for time_ns, packet in bare(talk)]
    extracted([write_pcap(tmp_path / "x", frames, link=link)], {80}, tmp_path / "wrapped")
    extracted([write_pcap(tmp_path / "y", talk.packets)], {80}, tmp_path / "plain")
    assert (tmp_path / "wrapped").read_bytes() == (tmp_path / "plain").read_bytes()


def test_fragments_become_the_packets_that_they_were(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"a" * 1400)
    talk.answer(20, b"b" * 1400)
    frames = []
    for number, (time_ns, whole) in enumerate(bare(talk)):
        packet = IP(whole)
        packet.id, packet.flags = number, 0
        frames += [(time_ns, ethernet(raw(piece))) for piece in fragment(packet, 600)]
    assert len(frames) > len(talk.packets)
    extracted([write_pcap(tmp_path / "x", frames)], {80}, tmp_path / "whole")
    extracted([write_pcap(tmp_path / "y", talk.packets)], {80}, tmp_path / "plain")
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "plain").read_bytes()


@pytest.mark.parametrize("size", [65_496, 65_700, 87_600, 200_000])
def test_a_segment_larger_than_an_ip_packet_is_cut(size: int, tmp_path: Path) -> None:
    """87,600 bytes are whole segments of 1,460, so that the message goes on: it must go on after the cut, too."""
    talk = Conversation().open()
    large(talk, 2, size)
    talk.say(3, b"and more")
    talk.answer(4, b"yes")
    large(talk, 5, size, FIN | PSH | ACK)
    file = write_pcap(tmp_path / "x", talk.packets)
    tells_the_same([file], {80}, tmp_path, DEFAULT)
    parts = [dpkt.ethernet.Ethernet(frame).data for _, _, frame in records(tmp_path / "onceFalse")]
    assert all(20 < part.len <= 65_535 for part in parts)
    count = -(-size // 65_495)
    said = [part.data for part in parts[-count:]]
    assert [part.flags for part in said] == [ACK] * (count - 1) + [FIN | PSH | ACK]
    assert [part.seq for part in said[1:]] == [part.seq + len(part.data) for part in said[:-1]]
    assert stream_of(load([str(tmp_path / "onceFalse")], {80}), 0) == stream_of(load([file], {80}), 0)


def test_a_packet_that_the_snap_length_cut_keeps_both_lengths_and_has_no_checksum(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(2, b"short")
    talk.answer(3, b"a" * 1000)
    file = write_pcap(tmp_path / "x", talk.packets, snap=100)
    extracted([file], {80}, tmp_path / "small.pcap")
    *others, (_, original, frame) = records(tmp_path / "small.pcap")
    assert (original, len(frame)) == (14 + 20 + 20 + 1000, 100)
    assert dpkt.ethernet.Ethernet(frame).data.len == 1040
    assert frame[50:52] == bytes(2)
    assert all(frame[50:52] != bytes(2) for _, _, frame in others)


def test_tcp_options_that_the_end_of_the_file_cut_are_not_made_up(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(2, b"short")
    talk.send(3, ACK, 5, 0, opts=TIMESTAMPS)
    file = write_pcap(tmp_path / "x", talk.packets, snap=64)
    extracted([file], {80}, tmp_path / "small.pcap")
    _, original, frame = records(tmp_path / "small.pcap")[-1]
    assert (original, frame[14 + 20 + 20 :]) == (14 + 20 + 32, TIMESTAMPS[:10])
    assert frame[50:52] == bytes(2)


def test_batches_and_single_large_rows_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation().open()
    for turn in range(50):
        talk.say(2 + 2 * turn, b"q" * turn)
        talk.answer(3 + 2 * turn, b"a" * 20 * turn)
    file = write_pcap(tmp_path / "x", talk.packets)
    extracted([file], {80}, tmp_path / "whole")
    monkeypatch.setattr(write, "_SEGMENTS", 7)
    monkeypatch.setattr(write, "_ROOM", 300)
    extracted([file], {80}, tmp_path / "parts")
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "parts").read_bytes()


def test_an_ipv6_packet_between_a_mapped_and_another_address_stays_one(tmp_path: Path) -> None:
    talk = Conversation(client="::ffff:10.0.0.1", server="fd00::2").open()
    talk.say(2, b"hello")
    extracted([write_pcap(tmp_path / "x", talk.packets)], {80}, tmp_path / "small.pcap")
    assert [frame.ljust(60, b"\0")[12:54] for _, _, frame in records(tmp_path / "small.pcap")] == [
        frame[12:54] for _, frame in talk.packets
    ]
