"""The arenas of sendmmsg(2): message headers and vectors that point at built headers and at the script's payload."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from gryphon.sender.compiled import inner, kernel
from gryphon.sender.transmit.checksum import payload_sum
from gryphon.sender.transmit.frames import HEADER_ROOM, put_headers

MESSAGE = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u4"),
        ("padding1", "u4"),
        ("vector", "u8"),
        ("pieces", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "i4"),
        ("padding2", "u4"),
        ("sent", "u4"),
        ("padding3", "u4"),
    ]
)
"""``struct mmsghdr`` of a 64-bit host, 64 bytes."""

PIECE = np.dtype([("base", "u8"), ("length", "u8")])
"""``struct iovec`` of a 64-bit host."""

_ROOM_WORDS = HEADER_ROOM // 4
_UNSENT = 2  # bytes in front of an Ethernet header of 14, so that the IP header stands at a whole word
_DONTWAIT = 0x40


class Vectors:
    """Memory for one batch, laid out once: message i has piece 2i for its headers and 2i+1 for its payload."""

    def __init__(self, batch: int, front: bool = False) -> None:
        """Lay out ``batch`` messages, with a ``front`` those of frames; what differs by packet is written later."""
        self.headers: npt.NDArray[np.uint32] = np.zeros(batch * HEADER_ROOM // 4, np.uint32)
        self.pieces: npt.NDArray[np.void] = np.zeros(2 * batch, PIECE)
        self.messages: npt.NDArray[np.void] = np.zeros(batch, MESSAGE)
        self.versions: npt.NDArray[np.uint8] = np.zeros(batch, np.uint8)
        index = np.arange(batch, dtype=np.uint64)
        first = self.headers.ctypes.data + (_UNSENT if front else 0)
        self.pieces["base"][::2] = np.uint64(first) + index * np.uint64(HEADER_ROOM)
        self.messages["vector"] = np.uint64(self.pieces.ctypes.data) + index * np.uint64(2 * PIECE.itemsize)
        self.address: int = self.messages.ctypes.data


@kernel
def fill(
    packets: npt.NDArray[np.void],
    payload: npt.NDArray[np.uint8],
    payload_words: npt.NDArray[np.uint32],
    payload_address: int,
    destinations: npt.NDArray[np.void],
    fronts: npt.NDArray[np.uint32],
    headers: npt.NDArray[np.uint32],
    pieces: npt.NDArray[np.void],
    messages: npt.NDArray[np.void],
    versions: npt.NDArray[np.uint8],
    identification: int,
) -> None:
    """Build the headers of every packet and point its message at them and at its payload, which is not copied.

    ``fronts`` (targets, words) is what stands in front of the IP header to each target: 2 bytes that are not sent
    and an Ethernet header; for packets without one it has no words.
    """
    front = fronts.shape[1]
    unsent = _UNSENT if front else 0
    for i in range(packets.size):
        packet = packets[i]
        to = destinations[packet["target"]]
        number = (identification + i) % 0xFFFF + 1
        at = i * _ROOM_WORDS
        for k in range(front):
            headers[at + k] = fronts[packet["target"], k]
        length = put_headers(headers, at + front, packet, to, payload_sum(packet, payload, payload_words), number)
        pieces[2 * i]["length"] = 4 * front - unsent + length
        pieces[2 * i + 1]["base"] = payload_address + packet["payload"]
        pieces[2 * i + 1]["length"] = packet["length"]
        messages[i]["name"] = to["name"]
        messages[i]["name_length"] = to["name_length"]
        messages[i]["pieces"] = 2 if packet["length"] else 1
        versions[i] = to["version"]


def _library_call() -> Callable[[int, int, int], int]:
    """sendmmsg(2) for plain Python, when numba is told not to compile."""
    library = ctypes.CDLL(None, use_errno=True)
    library.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_ssize_t, ctypes.c_uint, ctypes.c_int]

    def send_many(descriptor: int, messages: int, count: int) -> int:
        sent: int = library.sendmmsg(descriptor, messages, count, _DONTWAIT)
        return sent if sent >= 0 else -ctypes.get_errno()

    return send_many


def _compiled_call() -> Callable[[int, int, int], int]:
    """sendmmsg(2) for kernels: bound by name when compiled code is loaded, so it is cached; a pointer would not be."""
    lib: Any = types  # numba's own annotations know nothing of calling a type
    sendmmsg = lib.ExternalFunction("sendmmsg", lib.int32(lib.int32, lib.intp, lib.uint32, lib.int32))
    errno_location = lib.ExternalFunction("__errno_location", lib.CPointer(lib.int32)())

    @inner
    def send_many(descriptor: int, messages: int, count: int) -> int:
        sent: int = sendmmsg(descriptor, messages, count, _DONTWAIT)
        if sent < 0:
            sent = -errno_location()[0]
        return sent

    compiled: Callable[[int, int, int], int] = send_many
    return compiled


_send_many = _library_call() if getattr(numba.config, "DISABLE_JIT", 0) else _compiled_call()
"""Messages that sendmmsg(2) sent of ``count`` at a memory address, or minus the errno."""


@kernel
def push(
    descriptor4: int, descriptor6: int, messages: int, versions: npt.NDArray[np.uint8], first: int, end: int
) -> tuple[int, int]:
    """Send messages ``first`` to ``end``; returns the first one not sent and its errno (``end``, 0: all are sent).

    ``messages`` is the memory address of the array. Neighbours that leave by one socket go in one call.
    """
    at = first
    while at < end:
        run = at + 1
        while run < end and (versions[run] == versions[at] or descriptor4 == descriptor6):
            run += 1
        descriptor = descriptor4 if versions[at] == 4 else descriptor6
        sent = _send_many(descriptor, messages + at * 64, run - at)
        if sent < 0:
            return at, -sent
        at += sent
    return at, 0
