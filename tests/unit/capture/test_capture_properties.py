"""Random conversations, cut, repeated, put out of order and wrapped, come back as the same messages."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conversations import ACK, MS, PSH, Conversation, bare, entries_of, heads_of, texts_of, write_pcap, write_pcapng
from encapsulations import LINKS, TUNNELS, wrapped
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import MOST_ANSWER_BYTES, Rules

IPV6 = {"client": "fd00::1", "server": "fd00::2"}


@dataclass
class Sent:
    """One data segment of a plan: who, offset in the sender's stream, bytes, whether it is the end of a write."""

    from_client: bool
    seq: int
    data: bytes
    last: bool


@dataclass
class Plan:
    """A conversation as the capture will hold it, and what the reader has to make of it."""

    conversation: Conversation
    texts: list[bytes]
    answers: list[bytes]  # in front of each entry
    entries: list[dict[str, int]]


@st.composite
def turns(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """What the client says and the server answers, turn by turn; a client that says nothing lets the server begin."""
    sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
    drawn = draw(st.lists(sizes, min_size=1, max_size=6))
    return [(bytes([n + 1]) * c, bytes((n + 7 * k) % 251 for k in range(s))) for n, (c, s) in enumerate(drawn)]


def cut(draw: st.DrawFn, from_client: bool, seq: int, data: bytes) -> list[Sent]:
    """Random segments of ``data``."""
    borders = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=5)) - {len(data)})
    edges = [0, *borders, len(data)]
    return [Sent(from_client, seq + a, data[a:b], b == len(data)) for a, b in pairwise(edges)]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Turns, each captured in any order and with copies of whatever was sent before."""
    ends = draw(st.sampled_from([{}, IPV6]))
    isn = st.one_of(st.integers(2**32 - 5000, 2**32 - 1), st.integers(0, 2**32 - 1))
    talk = Conversation(
        client_isn=draw(isn), server_isn=draw(isn), tags=draw(st.sampled_from([(), (0x88A8, 0x8100)])), **ends
    )
    talk.open()
    now, before = 1.0, []
    ended = answered = now
    texts, heard_before, entries = [], [b""], []
    expect, answer, longest = 0, 0.0, 0.0
    for said, answers in draw(turns()):
        client = draw(st.permutations(cut(draw, True, talk.said, said)))
        server = draw(st.permutations(cut(draw, False, talk.answered, answers)))
        talk.said += len(said)
        times = []
        for each in client:
            now += draw(st.integers(1, 40))
            times.append(now)
            flags = ACK | PSH if each.last else ACK
            talk.send(now, flags, each.seq, talk.answered, each.data)
        texts.append(said)
        heard_before.append(answers)
        entries.append((times[0] - answered, expect, answer, longest))
        ended = next(time for time, each in zip(times, client, strict=True) if each.last)
        heard = []
        for each in server:
            now += draw(st.integers(1, 900))
            talk.send(now, ACK, each.seq, talk.said, each.data, from_client=False)
            heard.append(now)
        talk.answered += len(answers)
        talk.send(now, ACK, talk.said, talk.answered)
        longest = max([b - a for a, b in pairwise(heard)], default=0.0)
        expect, answered, answer = len(answers), heard[-1], heard[-1] - ended
        before += [*client, *server]
        for again in draw(st.lists(st.sampled_from(before), max_size=3)):
            now += 1
            talk.send(
                now,
                ACK,
                again.seq,
                talk.answered if again.from_client else talk.said,
                again.data,
                from_client=again.from_client,
            )
    entries.append((now + 1 - answered, expect, answer, longest))
    talk.close(now + 1)
    lengths = [sum(map(len, texts[: n + 1])) for n in range(len(texts))]
    return Plan(
        talk,
        texts,
        heard_before,
        [
            {
                "stream_end": end,
                "gap_ns": round(gap * MS),
                "expect": expect,
                "answer_ns": round(answer * MS),
                "settle_ns": round(max(200.0, 2 * longest) * MS),
                "pushed": 0,
                "overlaps": 0,
            }
            for end, (gap, expect, answer, longest) in zip([*lengths, lengths[-1]], entries, strict=True)
        ],
    )


@settings(max_examples=300, deadline=None)
@given(plans(), st.booleans(), st.booleans(), st.integers(0, MOST_ANSWER_BYTES))
def test_a_random_conversation_comes_back_as_its_messages(plan: Plan, pcapng: bool, big: bool, most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write = write_pcapng if pcapng else write_pcap
        path = write(Path(folder) / "x", plan.conversation.packets, big=big)
        recording = load([path], [80], Rules(answer_bytes=most))
        assert heads_of(recording, 0) == [answer[:most] for answer in plan.answers]
        assert texts_of(recording, 0) == plan.texts
        assert entries_of(recording, 0) == plan.entries
        assert (recording.recorded, sum(recording.rejected.values())) == (1, 0)


@pytest.mark.parametrize("name", [*LINKS, *TUNNELS])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(plan=plans())
def test_a_random_conversation_comes_back_out_of_every_wrapping(name: str, plan: Plan) -> None:
    link, wrap = LINKS[name] if name in LINKS else (1, TUNNELS[name])
    packets = bare(plan.conversation)
    assume("802.3" not in name or all(len(packet) <= 1492 for _, packet in packets))  # its length field ends there
    frames = [(time_ns, wrapped(wrap, packet)) for time_ns, packet in packets]
    with tempfile.TemporaryDirectory() as folder:
        recording = load([write_pcap(Path(folder) / "x", frames, link=link)], [80], Rules(answer_bytes=100))
        assert texts_of(recording, 0) == plan.texts
        assert heads_of(recording, 0) == [answer[:100] for answer in plan.answers]
        assert entries_of(recording, 0) == plan.entries


@settings(max_examples=300, deadline=None)
@given(st.data(), st.lists(st.tuples(st.integers(-20, 60), st.integers(1, 30)), min_size=1, max_size=30))
def test_any_heap_of_overlapping_segments_gives_the_first_copy_of_each_byte(
    data: st.DataObject, pieces: list[tuple[int, int]]
) -> None:
    expected: dict[int, int] = {}
    talk = Conversation(client_isn=2**32 - 30).open()
    for n, (seq, size) in enumerate(pieces):
        text = data.draw(st.binary(min_size=size, max_size=size))
        talk.send(5 + n, ACK, seq, 0, text)
        for offset, byte in enumerate(text, seq):
            if offset >= 0:
                expected.setdefault(offset, byte)
    whole = sorted(expected) == list(range(len(expected)))
    with tempfile.TemporaryDirectory() as folder:
        path = write_pcap(Path(folder) / "x", talk.packets)
        if whole and expected:
            assert b"".join(texts_of(load([path], None), 0)) == bytes(expected[n] for n in range(len(expected)))
        else:
            with pytest.raises(InputFault, match="missing_bytes 1" if expected else "no_client_data 1"):
                load([path], None)


@settings(max_examples=300, deadline=None)
@given(plans(), st.booleans(), st.data())
def test_a_damaged_file_is_a_recording_or_a_sentence(plan: Plan, pcapng: bool, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write = write_pcapng if pcapng else write_pcap
        path = Path(write(Path(folder) / "x", plan.conversation.packets))
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
        path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
        try:
            recording = load([str(path)], None, Rules(answer_bytes=100))
        except InputFault:
            return
        assert (
            recording.messages["expect"].sum() + recording.messages["pushed"].sum()
            == recording.sessions["server_bytes"].sum()
        )
        assert recording.sessions["length"].sum() == len(recording.payload)
        assert recording.messages["head_length"].sum() == len(recording.heads)
        assert (recording.messages["head_length"] <= np.minimum(recording.messages["expect"], 100)).all()


def test_the_kernels_give_the_same_as_plain_python(tmp_path: Path) -> None:
    """In a process of its own, with every warning (an overflow, say) an error."""
    path = write_pcapng(tmp_path / "x", _everything())
    script = (
        "import sys, hashlib; from gryphon.sender.capture.load import load; "
        "from gryphon.sender.capture.recording import Rules; "
        "r = load(sys.argv[1:], None, Rules(answer_bytes=60)); columns = (r.sessions, r.messages, r.payload, r.heads);"
        "print(hashlib.sha256(b''.join(x.tobytes() for x in columns)).hexdigest())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", script, path],
            env={**os.environ, "NUMBA_DISABLE_JIT": disabled},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for disabled in ("0", "1")
    ]
    assert outputs[0] == outputs[1] != ""


def _everything() -> list[tuple[int, bytes]]:
    """IPv4 and IPv6, tags, disorder, overlaps, a lost byte, a mid-stream connection, numbers that wrap."""
    packets = []
    for n, ends in enumerate([{}, IPV6, {"client": "fe80::ffff:1", "server": "fe80::1"}]):
        talk = Conversation(
            client_isn=2**32 - 5, server_isn=2**32 - 9, client_port=5000 + n, tags=(0x8100,) * n, **ends
        )
        talk.open()
        for turn in range(20):
            seq = talk.said
            talk.said += 40
            talk.send(10 + 10 * turn, ACK, seq + 20, talk.answered, bytes(range(turn, turn + 20)))
            talk.send(11 + 10 * turn, ACK | PSH, seq, talk.answered, bytes(range(turn, turn + 30)))
            talk.answer(15 + 10 * turn, b"a" * (100 * turn))
        talk.close(900, by_client=bool(n))
        packets += talk.packets
    lost = Conversation(client_port=6000).open()
    lost.send(3, ACK, 5, 0, b"hole before")
    midway = Conversation(client_port=6001)
    midway.send(4, ACK, 5, 0, b"no syn")
    return packets + lost.packets + midway.packets
