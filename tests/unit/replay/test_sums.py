"""A message has the sum of its 16-bit words by the definition, which goes with segments that are whole messages."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from peer import Message, Peer, make_engine, make_script, run

from gryphon.sender.replay.script import ENTRY, SESSION
from gryphon.sender.replay.sums import MODULUS, sum_messages

streams = st.lists(st.lists(st.binary(max_size=70), min_size=1, max_size=5), min_size=1, max_size=4)


def by_definition(data: bytes) -> int:
    """RFC 1071: 16-bit words of network byte order, an odd last byte padded with 0."""
    return sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))) % MODULUS


@given(streams, st.integers(0, 3))
def test_each_message_has_the_sum_of_its_bytes_wherever_it_begins(recorded: list[list[bytes]], front: int) -> None:
    sessions = np.zeros(len(recorded), SESSION)
    entries = np.zeros(sum(len(messages) + 1 for messages in recorded), ENTRY)
    payload, first = bytearray(front), 0
    for session, messages in zip(sessions, recorded, strict=True):
        session["payload"], session["first"], session["entries"] = len(payload), first, len(messages) + 1
        ends = np.cumsum([len(message) for message in messages])
        entries["stream_end"][first : first + len(messages) + 1] = [*ends, ends[-1]]
        payload += b"".join(messages)
        first += len(messages) + 1
    sum_messages(sessions, entries, np.frombuffer(bytes(payload) + b"scratch", np.uint8))
    expected = [(len(data), by_definition(data)) for messages in recorded for data in (*messages, b"")]
    assert [(int(entry["length"]), int(entry["payload_sum"])) for entry in entries] == expected


def test_a_message_that_the_payload_does_not_hold_has_no_sum() -> None:
    sessions, entries = np.zeros(1, SESSION), np.zeros(2, ENTRY)
    sessions["entries"], entries["stream_end"] = 2, 100
    sum_messages(sessions, entries, np.zeros(99, np.uint8))
    assert not entries["length"].any()


def test_only_segments_that_are_whole_messages_bring_their_sum() -> None:
    script = make_script([Message(100), Message(3000), Message(41)])
    log = run(make_engine(script), Peer(lambda *_: 0), script)
    sent = [(int(packet["length"]), bool(packet["summed"])) for _, packet in log if packet["length"]]
    assert sent == [(100, True), (1448, False), (1448, False), (104, False), (41, True)]
