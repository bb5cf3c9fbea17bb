"""Capture files: every framing gives the same packets, and a file that is none gets one sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from conversations import (
    START_NS,
    Conversation,
    block,
    enhanced,
    entries_of,
    interface,
    same,
    section,
    stream_of,
    write_pcap,
    write_pcapng,
)
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, PcapWriter

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.files import frames
from gryphon.sender.capture.load import load
from gryphon.sender.capture.unpack import map_file


@pytest.fixture
def talk() -> Conversation:
    """Two requests, each answered, closed by the client."""
    conversation = Conversation().open()
    for turn in range(2):
        conversation.say(10 + 100 * turn, b"GET /%d\r\n" % turn)
        conversation.answer(20 + 100 * turn, b"x" * (100 + turn))
    conversation.close(300)
    return conversation


def times(path: str) -> list[int]:
    """The time of every frame."""
    return [int(time) for batch in frames(path, map_file(path)) for time in batch["time_ns"]]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("nano", [False, True])
def test_classic_captures_of_both_byte_orders_and_resolutions_are_alike(
    tmp_path: Path, talk: Conversation, nano: bool, big: bool
) -> None:
    reference = load([write_pcap(tmp_path / "reference", talk.packets)], None)
    assert same(load([write_pcap(tmp_path / "other", talk.packets, nano=nano, big=big)], None), reference)


def test_a_classic_capture_keeps_nanoseconds(tmp_path: Path) -> None:
    assert times(write_pcap(tmp_path / "x", [(START_NS + 789, bytes(60))])) == [START_NS + 789]


def test_kuznetzovs_record_headers_are_skipped(tmp_path: Path, talk: Conversation) -> None:
    path = tmp_path / "modified"
    records = [
        struct.pack("<IIIIIHBx", *divmod(t // 1000, 10**6), len(f), len(f), 2, 0, 0) + f for t, f in talk.packets
    ]
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, 1) + b"".join(records))
    assert same(load([str(path)], None), load([write_pcap(tmp_path / "reference", talk.packets)], None))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("version", [(2, 2), (2, 3), (543, 0)])
def test_the_swapped_lengths_of_old_writers_are_understood(
    tmp_path: Path, talk: Conversation, version: tuple[int, int], big: bool
) -> None:
    path = Path(write_pcap(tmp_path / "old", talk.packets, snap=64, big=big))
    content, order, at = bytearray(path.read_bytes()), ">" if big else "<", 24
    struct.pack_into(order + "HH", content, 4, *version)
    while at < len(content):
        captured, original = struct.unpack_from(order + "II", content, at + 8)
        struct.pack_into(order + "II", content, at + 8, original, captured)
        at += 16 + captured
    path.write_bytes(content)
    expected = [(len(frame[:64]), len(frame)) for _, frame in talk.packets]
    rows = [
        (int(row["captured"]), int(row["original"]))
        for batch in frames(str(path), map_file(str(path)))
        for row in batch
    ]
    assert rows == expected


@pytest.mark.parametrize("big", [False, True])
def test_pcapng_is_read_in_both_byte_orders(tmp_path: Path, talk: Conversation, big: bool) -> None:
    reference = load([write_pcap(tmp_path / "reference", talk.packets)], None)
    assert same(load([write_pcapng(tmp_path / "other", talk.packets, big=big)], None), reference)


def test_what_scapy_writes_is_read(tmp_path: Path, talk: Conversation) -> None:
    reference = load([write_pcap(tmp_path / "reference", talk.packets)], None)
    for name, kind in (("x.pcap", PcapWriter), ("x.pcapng", PcapNgWriter)):
        writer = kind(str(tmp_path / name))
        for time_ns, frame in talk.packets:
            packet = Ether(frame)
            packet.time = time_ns // 1000 / 10**6
            writer.write(packet)
        writer.close()
        loaded = load([str(tmp_path / name)], None)
        assert stream_of(loaded, 0) == stream_of(reference, 0)
        assert loaded.messages["expect"].tolist() == reference.messages["expect"].tolist()


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [
        (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (3, 1_700_000_000_123, 1_700_000_000_123_000_000),
        (0, 1_700_000_000, 1_700_000_000_000_000_000),
        (12, 1_234_567_890_123_456_789, 1_234_567_890_123_456),
        (0x80 | 20, (1_700_000_000 << 20) + (1 << 19), 1_700_000_000_500_000_000),
        (0x80 | 30, (1_700_000_000 << 30) + 1, 1_700_000_000_000_000_000),
        (0x80 | 40, (1_000_000 << 40) + (3 << 38), 1_000_000_750_000_000),
    ],
)
def test_pcapng_times_follow_if_tsresol(tmp_path: Path, resolution: int, ticks: int, time_ns: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(section() + interface(resolution=resolution) + enhanced(ticks, bytes(60)))
    assert times(str(path)) == [time_ns]


def test_pcapng_times_follow_if_tsoffset(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(section() + interface(offset_s=-100) + enhanced(500 * 10**9, bytes(60)))
    assert times(str(path)) == [400 * 10**9]


@pytest.mark.parametrize("first", [0, 1])
def test_clocks_that_are_centuries_apart_give_no_time_that_wrapped(
    tmp_path: Path, talk: Conversation, first: int
) -> None:
    """Two interfaces, one at the earliest and one at the latest time that a file can tell of."""
    path = tmp_path / "x"
    times = (0, (1 << 62) - 1)
    clocks = interface(offset_s=-(1 << 32)) + interface(offset_s=1 << 32)
    which = [first ^ (n >= 6) for n in range(len(talk.packets))]
    parts = [enhanced(times[w], frame, which=w) for w, (_, frame) in zip(which, talk.packets, strict=True)]
    path.write_bytes(section() + clocks + b"".join(parts))
    entries = entries_of(load([str(path)], None), 0)
    assert max(entry["gap_ns"] for entry in entries) == (0 if first else (1 << 62) - 1)


def test_pcapng_sections_and_interfaces_may_change_in_the_middle(tmp_path: Path, talk: Conversation) -> None:
    a, b = talk.packets[:4], talk.packets[4:]
    parts = [section("<"), interface("<", resolution=9), interface("<", resolution=6)]
    parts += [enhanced(t // 1000, f, "<", which=1) for t, f in a]
    parts += [block(0xBAD, b"unknown", "<"), section(">"), interface(">", resolution=9)]
    parts += [enhanced(t, f, ">") for t, f in b]
    path = tmp_path / "x"
    path.write_bytes(b"".join(parts))
    assert same(load([str(path)], None), load([write_pcap(tmp_path / "reference", talk.packets)], None))


def test_simple_packet_blocks_are_cut_at_the_snap_length_and_take_the_time_before_them(tmp_path: Path) -> None:
    path = tmp_path / "x"
    simple = block(3, struct.pack("<I", 1500) + bytes(64), "<")
    path.write_bytes(section() + interface(snap=64) + enhanced(5, bytes(60)) + simple)
    rows = [row for batch in frames(str(path), map_file(str(path))) for row in batch.tolist()]
    assert [(row[0], row[2], row[3]) for row in rows] == [(5, 60, 60), (5, 64, 1500)]


@pytest.mark.parametrize("lost", [1, 50, 70])
def test_a_file_that_ends_inside_a_packet_gives_what_it_has(
    tmp_path: Path, talk: Conversation, caplog: pytest.LogCaptureFixture, lost: int
) -> None:
    for path in (Path(write_pcap(tmp_path / "a", talk.packets)), Path(write_pcapng(tmp_path / "b", talk.packets))):
        caplog.clear()
        path.write_bytes(path.read_bytes()[:-lost])
        assert load([str(path)], None).packets == len(talk.packets) - 1
        assert "ends in the middle of a packet" in caplog.text


def test_damage_is_named_by_its_offset_and_what_was_before_it_is_kept(
    tmp_path: Path, talk: Conversation, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(write_pcap(tmp_path / "x", talk.packets))
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\xff" * 100)
    assert load([str(path)], None).packets == len(talk.packets)
    assert f"damaged at offset {size}" in caplog.text


def test_several_files_are_one_recording_in_time_order(tmp_path: Path, talk: Conversation) -> None:
    whole = load([write_pcap(tmp_path / "whole", talk.packets)], None)
    halves = [
        write_pcap(tmp_path / "late", talk.packets[5:]),
        write_pcapng(tmp_path / "early", talk.packets[:5]),
    ]
    assert same(load(halves, None), whole)
    mixed = [write_pcap(tmp_path / "even", talk.packets[::2]), write_pcap(tmp_path / "odd", talk.packets[1::2])]
    loaded = load(mixed, None)
    assert stream_of(loaded, 0) == stream_of(whole, 0)
    assert loaded.packets == whole.packets


NOT_CAPTURES = [
    (b"GET / HTTP/1.1\r\nHost: x\r\n", "looks like text"),
    (b"\x7fELF" + bytes(100), "looks like a program"),
    (b"\x00\x01\x02\x03" * 10, "begins with the bytes 00 01 02 03"),
    (b"\n\n", "looks like text"),
]


@pytest.mark.parametrize(("content", "sentence"), NOT_CAPTURES)
def test_what_is_no_capture_is_called_what_it_looks_like(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(InputFault, match=sentence):
        load([str(path)], None)


def test_missing_empty_and_unreadable_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "stub").write_bytes(struct.pack("<IHH", 0xA1B2C3D4, 2, 4))
    for name, sentence in (
        ("absent", "no capture file .*absent"),
        ("empty", "is empty"),
        ("stub", "ends inside its file header"),
        (".", "is a directory"),
    ):
        with pytest.raises(InputFault, match=sentence):
            load([str(tmp_path / name)], None)


def test_a_link_type_that_cannot_be_read_is_named(tmp_path: Path, talk: Conversation) -> None:
    with pytest.raises(
        InputFault, match=r"link type 189 \(USB\), which gryphon cannot read; it reads .*Ethernet.*Wi-Fi"
    ):
        load([write_pcap(tmp_path / "x", talk.packets, link=189)], None)


def test_a_link_type_that_cannot_be_read_beside_one_that_can_is_a_warning(
    tmp_path: Path, talk: Conversation, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x"
    blocks = [section(), interface(), interface(link=220), enhanced(1, bytes(80), which=1)]
    path.write_bytes(b"".join(blocks + [enhanced(t, f) for t, f in talk.packets]))
    assert len(load([str(path)], None).sessions) == 1
    assert "link type 220 (Linux USB), which are left out" in caplog.text
