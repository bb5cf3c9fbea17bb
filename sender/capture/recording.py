"""The recording: every replayable session of one or more capture files, as columns."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HEAD = 16
"""Bytes of the beginning of each stream that a connection's row holds."""

MOST_ANSWER_BYTES = 1024
"""Bytes of the beginning of each answer that a recording can hold."""

SESSION = np.dtype(
    [
        ("client_hi", "u8"),  # addresses in host byte order, IPv4 mapped
        ("client_lo", "u8"),
        ("server_hi", "u8"),
        ("server_lo", "u8"),
        ("start_ns", "i8"),  # first SYN, since the epoch
        ("handshake_ns", "i8"),  # last SYN before the SYN-ACK to the SYN-ACK; 0 when no SYN-ACK is in the capture
        ("payload", "i8"),  # where the client's stream begins in Recording.payload
        ("length", "i8"),  # bytes of it
        ("first_message", "i8"),  # index into Recording.messages
        ("server_bytes", "i8"),  # payload that the server sent, each byte once
        ("connection", "u4"),  # index into Recording.connections
        ("messages", "u4"),  # client messages; one more entry, the end, follows them
        ("client_port", "u2"),
        ("server_port", "u2"),
        ("syn_mss", "u2"),  # 0: the client's SYN had none
        ("syn_window", "u2"),
        ("syn_window_scale", "u1"),  # 255: none
        ("syn_options", "u1"),  # controller.record.Option bits
        ("version", "u1"),  # 4 or 6
        ("end", "u1"),  # End
    ]
)
"""One replayable session."""

MESSAGE = np.dtype(
    [
        ("stream_end", "i8"),  # offset in the client's stream one past this message
        ("gap_ns", "i8"),  # from the later of (end of the previous message, last byte of its answer) to the start
        ("expect", "i8"),  # bytes of the answer to what went before; of the first: what the server said first
        ("answer_ns", "i8"),  # end of the previous message to the last byte of that answer; 0 when expect is 0
        ("settle_ns", "i8"),  # quiet time that ends an answer of another size: max(200 ms, twice its longest pause)
        ("pushed", "i8"),  # server bytes before this message that nobody waits for
        ("head", "i8"),  # where the first bytes of that answer begin in Recording.heads
        ("head_length", "u2"),  # bytes there: answer_bytes or expect, or fewer where the capture lacks some
        ("overlaps", "u1"),  # more had come than this message waited for: a later one waits for the rest
    ]
)
"""One client message, or the end of a session (stream_end = length, gap_ns to the first FIN or RST or 0).

Over one session ``expect`` and ``pushed`` add up to ``server_bytes``.
"""


class End(enum.IntEnum):
    """Who closed first, and how."""

    NONE = 0  # the capture ended first
    CLIENT_FIN = 1
    CLIENT_RST = 2
    SERVER_FIN = 3
    SERVER_RST = 4


class Verdict(enum.IntEnum):
    """What becomes of a connection: replayed, or the first reason why not."""

    REPLAYABLE = 0
    NO_SYN = 1
    NO_HANDSHAKE = 2
    MISSING_BYTES = 3
    TRUNCATED = 4
    NO_CLIENT_DATA = 5
    ENCRYPTED = 6
    CHALLENGED = 7


REASONS = {
    "no_syn": "they began before the capture",
    "no_handshake": "their handshake never completed",
    "missing_bytes": "the capture lost client packets",
    "truncated": "the snap length cut client data off",
    "no_client_data": "the client sent no data; --hold keeps such connections open",
    "encrypted": "TLS or SSH, which no server accepts twice; --allow-encrypted replays it all the same",
    "challenged": "the login answers a random challenge, which no server accepts twice; "
    "--allow-encrypted replays it all the same",
}
"""Why a connection cannot be replayed: the key of ``Recording.rejected`` (a Verdict's name) and what it means."""

CONNECTION = np.dtype(
    [
        ("client_hi", "u8"),  # addresses in host byte order, IPv4 mapped
        ("client_lo", "u8"),
        ("server_hi", "u8"),
        ("server_lo", "u8"),
        ("start_ns", "i8"),  # first packet, since the epoch
        ("end_ns", "i8"),  # latest packet
        ("client_bytes", "i8"),  # payload, each byte once; of a connection without a SYN as often as it was sent
        ("server_bytes", "i8"),
        ("missing", "i8"),  # client bytes that the capture lost or cut off
        ("hole_ns", "i8"),  # when the first packet behind the first of them was captured
        ("number", "u4"),  # among the connections of all services in the files, from 0
        ("session", "i4"),  # index into Recording.sessions, -1: not replayable
        ("packets", "u4"),
        ("differing", "u4"),  # client segments that repeat bytes with another content than the first copy
        ("client_port", "u2"),
        ("server_port", "u2"),
        ("version", "u1"),  # 4 or 6
        ("verdict", "u1"),  # Verdict
        ("hello", "u1", HEAD),  # how the client's stream begins, padded with zeros
        ("greeting", "u1", HEAD),  # how the server's does
    ]
)
"""One TCP connection to a chosen service, replayable or not."""


@dataclass(frozen=True)
class Rules:
    """What counts as an answer, and what is replayed in spite of a reason not to."""

    answer_within_ns: int = 10_000_000_000  # a server that begins to speak later does not answer the message before
    keep_silent: bool = False  # connections whose client sends nothing are replayable (they are held open)
    allow_encrypted: bool = False  # and those whose login answers a challenge
    answer_bytes: int = 0  # how many first bytes of each answer are kept, at most MOST_ANSWER_BYTES

    def __post_init__(self) -> None:
        if not 0 <= self.answer_bytes <= MOST_ANSWER_BYTES:
            raise ValueError(f"{self.answer_bytes} bytes of each answer: 0 to {MOST_ANSWER_BYTES} can be kept")


DEFAULT = Rules()


@dataclass(frozen=True)
class Recording:
    """What ``load`` makes of capture files."""

    sessions: npt.NDArray[np.void]  # SESSION, replayable only, in recorded start order
    messages: npt.NDArray[np.void]  # MESSAGE, per session its messages and then its end
    payload: npt.NDArray[np.uint8]  # the clients' streams, one after the other
    heads: npt.NDArray[np.uint8]  # how the answers begin, one after the other in the order of the messages
    connections: npt.NDArray[np.void]  # CONNECTION, all to the chosen services, in the order of their first packets
    rejected: dict[str, int]  # reason to connections, every key of REASONS
    packets: int  # of the files, whatever they are
    files: list[str]
    ports: dict[int, int]  # server port to connections, of all services in the files

    @property
    def recorded(self) -> int:
        """TCP connections to the chosen services, those that began before the capture included."""
        return len(self.connections)
