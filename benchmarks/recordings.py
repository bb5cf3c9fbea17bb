"""Captures of any size for `benchmarks.captures`: many sessions at the same time, written as a stream, never in memory.

A few dozen dialogues are drawn once, from a fixed seed; each session is one of them with addresses, ports, initial
sequence numbers, timestamps and a start of its own. Two captures of the same options are the same, byte for byte.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from benchmarks import dialogue
from benchmarks.dialogue import Dialogue
from gryphon.controller.errors import EnvironmentFault, InputFault

PORT = 80
SHAPE = 100_000
"""Bytes of a session, about, when nobody says how many sessions there are."""

_DIALOGUES = 64
_TOGETHER = 500  # sessions that are open at the same time, about
_LARGEST = 4_000_000
_AT_ONCE = 1 << 15  # packets
_EPOCH_S = 1_700_000_000
_SERVER = 0xC000020A  # 192.0.2.10
_CLIENTS = 50_000  # addresses, from 10.0.0.1 on; each may have several sessions
_SEED = 1

PLACED = np.dtype([("time_us", "i8"), ("session", "i8"), ("packet", "i8")])
"""A packet of the capture: when, whose, and which one of all dialogues' packets."""


@dataclass(frozen=True)
class Written:
    """What a capture has in it, to be compared with what a reader finds."""

    packets: int
    bytes: int
    sessions: int
    messages: int
    client_bytes: int
    server_bytes: int
    client_crc: int  # of all clients' streams, one after the other in the order in which they began
    concurrent: float


def check_room(directory: Path, size: int) -> None:
    """EnvironmentFault when a capture would fill the disk."""
    free = shutil.disk_usage(directory).free
    if free < size * 1.1 + (256 << 20):
        raise EnvironmentFault(
            f"{directory} has {free / 1e9:.1f} GB free, too little for a capture of {size / 1e9:.1f} GB; "
            "name another one with --directory"
        )


def write(path: Path, sessions: int, size: int) -> Written:
    """Write a capture of about ``size`` bytes and bring it to the disk, so that nothing is left to do meanwhile."""
    if not dialogue.SMALLEST <= size / sessions <= _LARGEST:
        raise InputFault(
            f"{sessions:,} sessions in {size:,} bytes are {size // sessions:,} bytes a session; "
            f"give --size and --sessions such that they are {dialogue.SMALLEST:,} to {_LARGEST:,}"
        )
    dialogues = _draw(size // sessions)
    every = int(np.mean([talk.now for talk in dialogues])) // _TOGETHER + 1
    frames = [frame for talk in dialogues for frame in talk.frames]
    packets = np.concatenate([talk.packets for talk in dialogues])
    numbers = np.random.default_rng(_SEED).integers(0, 1 << 32, (4, sessions), np.int64)
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for rows in _in_time_order(dialogues, sessions, every):
            _put(file, rows, frames, packets, numbers)
        file.flush()
        os.fsync(file.fileno())
    return _facts(path, dialogues, sessions, every)


def _draw(mean: int) -> list[Dialogue]:
    """Dialogues of a quarter to seven quarters of the mean size, in pairs that keep the mean."""
    draw = random.Random(_SEED)
    more = [draw.uniform(0, 0.75) for _ in range(_DIALOGUES // 2)]
    shares = [1 + share for share in more] + [1 - share for share in more]
    draw.shuffle(shares)
    return [dialogue.converse(draw, int(share * mean)) for share in shares]


def _facts(path: Path, dialogues: list[Dialogue], sessions: int, every: int) -> Written:
    times = np.bincount(np.arange(sessions) % _DIALOGUES, minlength=_DIALOGUES).tolist()
    crc = 0
    for session in range(sessions):
        crc = zlib.crc32(dialogues[session % _DIALOGUES].client, crc)

    def total(values: list[int]) -> int:
        return sum(value * count for value, count in zip(values, times, strict=True))

    return Written(
        packets=total([len(talk.frames) for talk in dialogues]),
        bytes=path.stat().st_size,
        sessions=sessions,
        messages=total([talk.messages for talk in dialogues]),
        client_bytes=total([len(talk.client) for talk in dialogues]),
        server_bytes=total([talk.server_bytes for talk in dialogues]),
        client_crc=crc,
        concurrent=total([talk.now for talk in dialogues]) / (every * sessions),
    )


def _in_time_order(dialogues: list[Dialogue], sessions: int, every: int) -> Iterator[npt.NDArray[np.void]]:
    """PLACED rows, piece by piece: what comes after the next session's start waits for it."""
    borders = np.cumsum([0] + [len(talk.frames) for talk in dialogues])
    times = [talk.packets["time_us"] for talk in dialogues]
    waiting = np.zeros(0, PLACED)
    for first in range(0, sessions, _DIALOGUES):
        parts = [waiting]
        for session in range(first, min(first + _DIALOGUES, sessions)):
            which = session - first
            rows = np.zeros(len(times[which]), PLACED)
            rows["time_us"] = times[which] + session * every
            rows["session"] = session
            rows["packet"] = np.arange(borders[which], borders[which + 1])
            parts.append(rows)
        waiting = np.concatenate(parts)
        waiting = waiting[np.argsort(waiting["time_us"], kind="stable")]
        done = np.searchsorted(waiting["time_us"], (first + _DIALOGUES) * every)
        yield waiting[:done]
        waiting = waiting[done:]
    yield waiting


def _put(
    file: BinaryIO,
    rows: npt.NDArray[np.void],
    frames: list[bytes],
    packets: npt.NDArray[np.void],
    numbers: npt.NDArray[np.int64],
) -> None:
    """Write the packets, each with what its session and its moment have of their own."""
    for at in range(0, len(rows), _AT_ONCE):
        part = rows[at : at + _AT_ONCE]
        data = np.frombuffer(bytearray().join([frames[which] for which in part["packet"].tolist()]), np.uint8)
        known, session = packets[part["packet"]], part["session"]
        starts = np.cumsum(known["size"]) - known["size"]
        _stamp(data, starts, known, part["time_us"], session, numbers[:, session])
        file.write(data.data)


def _stamp(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    known: npt.NDArray[np.void],
    time_us: npt.NDArray[np.int64],
    session: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int64],
) -> None:
    ours = known["from_client"]

    def field(offset: int, values: npt.ArrayLike, kind: str = ">u4") -> None:
        cells = np.asarray(values).astype(kind).view(np.uint8).reshape(len(starts), -1)
        data[(starts + offset)[:, None] + np.arange(cells.shape[1])] = cells

    def of_both(offset: int, client: npt.ArrayLike, server: npt.ArrayLike, kind: str = ">u4") -> None:
        """The sender's at ``offset``, the receiver's right behind it."""
        first = np.where(ours, client, server)
        field(offset, first, kind)
        field(offset + np.dtype(kind).itemsize, np.asarray(client) + np.asarray(server) - first, kind)

    client_isn, server_isn, client_clock, server_clock = numbers
    syn = (known["seq"] == 0) & (known["ack"] <= 1)
    first_syn = syn & (known["ack"] == 0) & ours
    field(dialogue.RECORD, time_us // 1_000_000 + _EPOCH_S, "<u4")
    field(dialogue.RECORD + 4, time_us % 1_000_000, "<u4")
    field(dialogue.IP + 4, session + time_us, ">u2")
    of_both(dialogue.IP + 12, 0x0A000001 + session % _CLIENTS, _SERVER)
    of_both(dialogue.TCP, 32768 + session // _CLIENTS, PORT, ">u2")
    field(dialogue.TCP + 4, known["seq"] + np.where(ours, client_isn, server_isn))
    field(dialogue.TCP + 8, np.where(first_syn, 0, known["ack"] + np.where(ours, server_isn, client_isn)))
    options = np.where(syn, 28, 24)
    value = known["value"] + np.where(ours, client_clock, server_clock)
    echo = np.where(first_syn, 0, known["echo"] + np.where(ours, server_clock, client_clock))
    cells = np.stack([value, echo], axis=1).astype(">u4").view(np.uint8)
    data[(starts + dialogue.TCP + options)[:, None] + np.arange(8)] = cells
