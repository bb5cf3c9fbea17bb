"""Framing survives any cut of the stream, and refuses what is too long or no JSON object."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gryphon.controller.protocol import HEADER, Frame, Inbox, ProtocolError, pack, unpack


def feed(inbox: Inbox, chunks: list[bytes]) -> list[tuple[int, bytes]]:
    """Send chunks through a socket pair and take each in; the frames found."""
    ours, theirs = socket.socketpair()
    frames: list[tuple[int, bytes]] = []
    with ours, theirs:
        ours.setblocking(False)
        for chunk in chunks:
            theirs.sendall(chunk)
            while inbox.receive(ours) is not None:
                frames += [(kind, bytes(payload)) for kind, payload in inbox.frames()]
    return frames


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(1, 300))
def test_frames_come_out_as_they_went_in(payloads: list[bytes], cut: int) -> None:
    stream = b"".join(HEADER.pack(len(payload), 7) + payload for payload in payloads)
    chunks = [stream[start : start + cut] for start in range(0, len(stream), cut)]
    assert feed(Inbox(200, 256), chunks) == [(7, payload) for payload in payloads]


def test_an_oversize_frame_is_refused_by_its_header() -> None:
    with pytest.raises(ProtocolError, match="1,001 bytes"):
        feed(Inbox(1000, 1000), [HEADER.pack(1001, Frame.PROOF)])


def test_first_takes_one_frame_and_leaves_the_rest() -> None:
    inbox = Inbox(1000, 1000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(pack(Frame.GRANT, {"a": 1}) + HEADER.pack(3, Frame.RECORDS) + b"xyz")
        inbox.receive(ours)
    assert inbox.first() == (Frame.GRANT, {"a": 1})
    assert [(kind, bytes(payload)) for kind, payload in inbox.frames()] == [(Frame.RECORDS, b"xyz")]
    assert inbox.first() is None


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'"x"', b"\xff", b"[" * 60_000, b"1" * 5000])
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack(memoryview(text))
