"""The outbox sends every byte in order, and drops whole batches, counted, rather than grow."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from fakes import records_of

from gryphon.controller.outbox import Outbox
from gryphon.controller.protocol import BATCH_BYTES, Frame, Inbox, ProtocolError, pack
from gryphon.controller.record import RECORD

BATCH_RECORDS = BATCH_BYTES // RECORD.itemsize


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def drain(outbox: Outbox, theirs: socket.socket) -> list[tuple[int, bytes]]:
    """Flush and read alternately until all is through; the frames that came."""
    inbox = Inbox(BATCH_BYTES, 1 << 20)
    frames: list[tuple[int, bytes]] = []
    done = False
    while not done:
        done = outbox.flush()
        while inbox.receive(theirs):
            frames += [(kind, bytes(payload)) for kind, payload in inbox.frames()]
    return frames


def test_batches_and_messages_arrive_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(pair[0])
    batch = records_of(1, 3 * BATCH_RECORDS + 5)
    outbox.records(batch)
    outbox.control(pack(Frame.PONG, {"a": 1}))
    frames = drain(outbox, pair[1])
    assert [kind for kind, _ in frames] == [Frame.RECORDS] * 4 + [Frame.PONG]
    got = np.frombuffer(b"".join(payload for _, payload in frames[:4]), RECORD)
    assert got.tobytes() == batch.tobytes()
    assert outbox.size == 0
    assert outbox.dropped == 0


@pytest.mark.parametrize("sample", [8, 256, 1024])
def test_frames_of_large_records_have_the_same_bound(pair: tuple[socket.socket, socket.socket], sample: int) -> None:
    outbox = Outbox(pair[0])
    batch = records_of(1, BATCH_RECORDS, sample=sample)
    outbox.records(batch)
    frames = drain(outbox, pair[1])
    assert b"".join(payload for _, payload in frames) == batch.tobytes()
    assert all(len(payload) <= BATCH_BYTES and len(payload) % batch.itemsize == 0 for _, payload in frames)


def test_a_full_outbox_drops_and_counts(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(pair[0], limit=1 << 20)
    for _ in range(100):
        outbox.records(records_of(1, BATCH_RECORDS))
        outbox.flush()
    assert outbox.size <= 1 << 20
    arrived = sum(len(payload) // RECORD.itemsize for _, payload in drain(outbox, pair[1]))
    assert arrived + outbox.dropped == 100 * BATCH_RECORDS
    assert outbox.dropped > 0


def test_many_tiny_batches_do_not_get_round_the_limit(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(pair[0], limit=1 << 16)
    for _ in range(10_000):
        outbox.records(records_of(1, 1))
    assert outbox.dropped > 9_000


def test_messages_without_end_end_the_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(pair[0], limit=1 << 10)
    while outbox.size < 1 << 20:
        outbox.control(pack(Frame.PONG, {"a": 1}))
    with pytest.raises(ProtocolError, match="reads no answers"):
        outbox.control(pack(Frame.PONG, {"a": "x" * 2000}))
