"""Fragmented IP packets become whole as Linux would make them, and leave a word when they do not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from conversations import Conversation, bare, ethernet, same, write_pcap
from encapsulations import TUNNELS, wrapped
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import IP, TCP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, fragment6

from gryphon.sender.capture import fragments as fragments_module
from gryphon.sender.capture.load import load
from gryphon.sender.capture.packets import read

FAMILIES = [4, 6]
SECOND = 1_000_000_000


def pieces_of(family: int, number: int, data: bytes, size: int = 64) -> list[bytes]:
    """The fragments of a TCP packet with ``data``, as bare IP packets."""
    tcp = TCP(sport=1, dport=80, seq=7, flags="PA") / data
    if family == 4:
        return [raw(each) for each in fragment(IP(src="10.0.0.1", dst="10.0.0.2", id=number) / tcp, size)]
    head = IPv6(src="fd00::1", dst="fd00::2") / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(id=number)
    return [raw(each) for each in fragment6(head / tcp, size + 56)]


def payloads(tmp_path: Path, packets: list[tuple[int, bytes]], snap: int = 262144) -> list[tuple[int, bytes]]:
    """Length on the wire and captured payload of each segment that comes out of a capture of these IP packets."""
    frames = [(time_ns, ethernet(packet)) for time_ns, packet in packets]
    found = read([write_pcap(tmp_path / "x", frames, snap=snap)])
    result = []
    for row in found.segments:
        start = int(row["tcp"]) + int(row["header"])
        content = found.files[row["file"]][start : start + int(row["captured"])]
        result.append((int(row["length"]), content.tobytes()))
    return result


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shuffle", range(4))
def test_fragments_in_any_order_with_repetitions_are_one_segment(tmp_path: Path, family: int, shuffle: int) -> None:
    data = bytes(range(256)) * 2
    pieces = pieces_of(family, 1, data)
    assert len(pieces) > 5
    chosen = random.Random(shuffle)
    sent = [*pieces[:-1], *chosen.sample(pieces[:-1], 3), pieces[-1]]
    chosen.shuffle(sent)
    assert payloads(tmp_path, [(n, piece) for n, piece in enumerate(sent)])[:1] == [(512, data)]


@pytest.mark.parametrize("family", FAMILIES)
def test_packets_whose_fragments_are_mixed_are_told_apart_by_their_numbers(tmp_path: Path, family: int) -> None:
    texts = [bytes([number]) * 300 for number in range(20)]
    pieces = [piece for number, text in enumerate(texts) for piece in pieces_of(family, number, text)]
    random.Random(1).shuffle(pieces)
    assert sorted(payloads(tmp_path, [(n, piece) for n, piece in enumerate(pieces)])) == [(300, t) for t in texts]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_of_fragments_is_the_same_recording(tmp_path: Path, family: int) -> None:
    ends = {} if family == 4 else {"client": "fd00::1", "server": "fd00::2"}
    talk = Conversation(**ends).open()
    for turn in range(5):
        talk.say(10 + 20 * turn, bytes([turn]) * 700)
        talk.answer(15 + 20 * turn, b"x" * 900)
    talk.close(200)
    cut = []
    for number, (time_ns, whole) in enumerate(bare(talk)):
        if family == 4:
            packet = IP(whole)
            packet.id, packet.flags = number, 0
            cut += [(time_ns, raw(wrapped(TUNNELS["VXLAN"], raw(each)))) for each in fragment(packet, 256)]
        else:
            packet = IPv6(whole)
            inner = packet.payload.copy()
            head = IPv6(src=packet.src, dst=packet.dst) / IPv6ExtHdrFragment(id=number)
            cut += [(time_ns, ethernet(raw(each))) for each in fragment6(head / inner, 300)]
    reference = load([write_pcap(tmp_path / "plain", talk.packets)], None)
    assert same(load([write_pcap(tmp_path / "cut", cut)], None), reference)


def test_a_tunnel_whose_outer_packets_are_fragments_is_read(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(10, b"a" * 1400)
    talk.answer(20, b"b" * 1400)
    frames = []
    for number, (time_ns, whole) in enumerate(bare(talk)):
        outer = IP(wrapped(TUNNELS["VXLAN"], whole)[14:])
        outer.id = number
        for piece in fragment(outer, 600):
            frames.append((time_ns, ethernet(raw(piece))))
    reference = load([write_pcap(tmp_path / "plain", talk.packets)], None)
    assert same(load([write_pcap(tmp_path / "cut", frames)], None), reference)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("missing", [0, 3, -1])
def test_a_packet_that_never_becomes_whole_is_left_out_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, family: int, missing: int
) -> None:
    pieces = pieces_of(family, 1, bytes(400))
    pieces.pop(missing)
    assert payloads(tmp_path, [(n, piece) for n, piece in enumerate(pieces)]) == []
    assert f"{len(pieces)} packets of {tmp_path / 'x'} are IP fragments whose packets never became whole" in caplog.text


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fragment_that_overlaps_others_spoils_its_packet(tmp_path: Path, family: int) -> None:
    first, second = pieces_of(family, 1, b"a" * 400), pieces_of(family, 1, b"b" * 400, size=128)
    sent = [(n, piece) for n, piece in enumerate([first[0], second[0], *first[1:]])]
    assert payloads(tmp_path, sent) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_number_that_is_used_again_later_is_another_packet(tmp_path: Path, family: int) -> None:
    old, new = pieces_of(family, 1, b"a" * 400), pieces_of(family, 1, b"b" * 400)
    sent = [(0, old[0]), (SECOND, old[1])] + [(40 * SECOND + n, piece) for n, piece in enumerate(new)]
    assert payloads(tmp_path, sent) == [(400, b"b" * 400)]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_snap_length_cut_off_a_fragment_is_missing_from_there_on(tmp_path: Path, family: int) -> None:
    pieces = pieces_of(family, 1, bytes(range(200)) * 2, size=256)
    ((length, content),) = payloads(tmp_path, [(n, piece) for n, piece in enumerate(pieces)], snap=200)
    assert length == 400
    assert content == (bytes(range(200)) * 2)[: len(content)]
    assert 80 < len(content) < 256


def test_waiting_fragments_take_no_more_room_than_linux_gives_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fragments_module, "MOST_BYTES", 10_000)
    pieces = [pieces_of(4, number, bytes([number]) * 400) for number in range(100)]
    sent = [each[0] for each in pieces] + [piece for each in reversed(pieces) for piece in each[1:]]
    found = payloads(tmp_path, [(n, piece) for n, piece in enumerate(sent)])
    assert 10 < len(found) < 100
    assert all(content == content[:1] * 400 for _, content in found)
    assert "never became whole" in caplog.text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 80), st.booleans(), st.integers(0, 1)), min_size=1, max_size=12
    )
)
def test_any_heap_of_fragments_is_read_without_harm(pieces: list[tuple[int, int, bool, int]]) -> None:
    reassembly = fragments_module.Reassembly()
    import numpy as np

    from gryphon.sender.capture.columns import FRAGMENT

    for offset, size, more, number in pieces:
        packet = raw(IP(src="1.1.1.1", dst="2.2.2.2", id=number, frag=offset, flags=int(more)) / (b"x" * size))
        row = np.zeros(1, FRAGMENT)[0]
        row["payload"], row["end"], row["stop"] = 20, len(packet), len(packet)
        whole = reassembly.add(np.frombuffer(packet, np.uint8), row)
        if whole is not None:
            assert len(whole[0]) == whole[1] == int.from_bytes(whole[0][2:4], "big")
    reassembly.finish()
    assert reassembly._held == 0
