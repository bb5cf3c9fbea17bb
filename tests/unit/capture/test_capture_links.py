"""Whatever a packet is wrapped in, it is the same packet; what carries none is left alone."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from conversations import Conversation, bare, same, stream_of, write_pcap
from encapsulations import LINKS, TUNNELS, wrapped
from scapy.compat import raw
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN

from gryphon.sender.capture.load import load
from gryphon.sender.capture.packets import read
from gryphon.sender.capture.recording import Recording

FAMILIES = {"IPv4": {}, "IPv6": {"client": "fd00::1", "server": "fd00::2"}}


@pytest.fixture(params=FAMILIES)
def talk(request: pytest.FixtureRequest) -> Conversation:
    """Two requests, one of several segments, and their answers."""
    conversation = Conversation(**FAMILIES[request.param]).open()
    conversation.say(10, b"a" * 1400, flags=16)
    conversation.say(11, b"b" * 200)
    conversation.answer(20, b"c" * 1400, flags=16)
    conversation.answer(21, b"d" * 99)
    conversation.say(50, b"e")
    conversation.answer(60, b"f")
    conversation.close(70)
    return conversation


def plain(tmp_path: Path, conversation: Conversation) -> Recording:
    return load([write_pcap(tmp_path / "plain", conversation.packets)], None)


@pytest.mark.parametrize("name", LINKS)
def test_every_link_type_gives_the_same_recording(tmp_path: Path, talk: Conversation, name: str) -> None:
    link, wrap = LINKS[name]
    frames = [(time_ns, wrapped(wrap, packet)) for time_ns, packet in bare(talk)]
    assert same(load([write_pcap(tmp_path / "x", frames, link=link)], None), plain(tmp_path, talk))


@pytest.mark.parametrize("name", TUNNELS)
def test_every_tunnel_gives_the_same_recording(tmp_path: Path, talk: Conversation, name: str) -> None:
    frames = [(time_ns, wrapped(TUNNELS[name], packet)) for time_ns, packet in bare(talk)]
    assert same(load([write_pcap(tmp_path / "x", frames)], None), plain(tmp_path, talk))


@pytest.mark.parametrize("name", [*LINKS, *TUNNELS])
def test_every_wrapping_cut_at_any_byte_is_no_packet_or_a_shorter_one(
    tmp_path: Path, talk: Conversation, name: str
) -> None:
    link, wrap = LINKS[name] if name in LINKS else (1, TUNNELS[name])
    time_ns, packet = bare(talk)[3]
    frame = wrapped(wrap, packet[: (packet[0] >> 4 == 4 and 60) or 80])
    path = write_pcap(tmp_path / "x", [(time_ns, frame)] * 2, link=link)
    whole = Path(path).read_bytes()[: 24 + 16 + len(frame)]
    cuts = []
    for kept in range(len(frame)):
        record = whole[24:32] + struct.pack("<II", kept, len(frame)) + frame[:kept]
        Path(path).write_bytes(whole[:24] + record)
        cuts += [int(segment["captured"]) for segment in read([path]).segments]
    assert cuts == sorted(cuts)
    assert all(0 <= captured < len(packet) for captured in cuts)


def test_the_mirror_of_a_mirror_adds_nothing(tmp_path: Path, talk: Conversation) -> None:
    frames = []
    for (time_ns, frame), (_, packet) in zip(talk.packets, bare(talk), strict=True):
        frames += [(time_ns, frame), (time_ns, wrapped(TUNNELS["VXLAN"], packet))]
    recording = load([write_pcap(tmp_path / "x", frames)], None)
    reference = plain(tmp_path, talk)
    assert stream_of(recording, 0) == stream_of(reference, 0)
    assert recording.messages["expect"].tolist() == reference.messages["expect"].tolist()


@pytest.mark.parametrize(
    "frame",
    [
        Ether() / ARP(),
        Ether() / IP() / UDP(dport=4789) / VXLAN(flags=0) / Ether() / IP() / TCP(),
        Ether() / IP() / UDP(dport=53) / VXLAN(flags=8) / Ether() / IP() / TCP(),
        Ether(type=0x8847) / bytes(40),
        Ether() / IP(proto=47) / (b"\x40\x00\x08\x00" + raw(IP() / TCP())),
        Ether() / IP(proto=47) / (b"\x00\x02\x08\x00" + raw(IP() / TCP())),
        Ether() / IP(proto=4) / bytes(40),
        Ether(type=0x88CC) / raw(IP() / TCP()),
    ],
    ids=lambda frame: frame.summary(),
)
def test_what_carries_no_tcp_is_left_alone(tmp_path: Path, frame: Ether) -> None:
    assert len(read([write_pcap(tmp_path / "x", [(1, raw(frame))])]).segments) == 0


def test_packets_inside_of_each_other_come_to_an_end(tmp_path: Path) -> None:
    packet = raw(IP() / TCP(flags="A") / b"x")
    frames = []
    for depth in range(60):
        frames.append((depth, raw(Ether() / IP(packet))))
        packet = raw(IP(proto=4) / packet)
    assert len(read([write_pcap(tmp_path / "x", frames)]).segments) == 8


def test_scapy_is_imported_only_for_a_link_type_that_needs_it(tmp_path: Path, talk: Conversation) -> None:
    path = write_pcap(tmp_path / "x", talk.packets)
    script = (
        "import sys; from gryphon.sender.capture.load import load;"
        "load(sys.argv[1:], None); print('scapy' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "False"
