"""The Internet checksum (RFC 1071), several bytes at a time."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from gryphon.sender.compiled import inlined, inner, int64, kernel

_LITTLE = sys.byteorder == "little"
_NONE, _8, _16, _24, _32 = np.uint64(0), np.uint64(8), np.uint64(16), np.uint64(24), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@kernel
def fold(total: int) -> int:
    """Fold a sum of 16-bit or 32-bit words (0 to 2**62) into 16 bits, carries added back in (RFC 1071, 2)."""
    total = (total >> 32) + (total & 0xFFFFFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    return (total >> 16) + (total & 0xFFFF)


@kernel
def sum_bytes(buffer: npt.NDArray[np.uint8], words: npt.NDArray[np.uint32], start: int, length: int) -> int:
    """Ones' complement sum of ``length`` bytes as big-endian 16-bit words; an odd last byte is padded with 0.

    ``words`` is ``buffer`` seen ``as_words``. The sum depends on byte order only by a swap at the end (RFC 1071, 2B),
    so whole words are added, and single bytes before and after them. Indices are unsigned because numba checks
    others for a sign, which keeps the loop from being done eight words at a time.
    """
    end = start + length
    at = start
    total = int64(0)
    while at & 3 and at < end:
        total += int64(buffer[at]) << _shift(at)
        at += 1
    last = max(end >> 2, at >> 2)
    for i in range(np.uint64(at >> 2), np.uint64(last)):
        total += int64(words[i])
    at = max(at, last << 2)
    while at < end:
        total += int64(buffer[at]) << _shift(at)
        at += 1
    folded: int = fold(total)
    if (start & 1) == _LITTLE:  # the first byte stood where the host's byte order has the high one
        return folded
    return ((folded & 0xFF) << 8) | (folded >> 8)


@kernel
def payload_sum(packet: np.void, payload: npt.NDArray[np.uint8], words: npt.NDArray[np.uint32]) -> int:
    """The sum of a packet's payload (a row of ``PACKET``): it comes along, or is made of the arena's bytes."""
    if packet["summed"]:
        return int64(packet["payload_sum"])
    return sum_bytes(payload, words, int64(packet["payload"]), int64(packet["length"]))


@inner
def _shift(at: int) -> int:
    """Where the byte at this offset stands in its native 16-bit word."""
    return (at & 1) * 8 if _LITTLE else (~at & 1) * 8


@inlined
def copy_and_sum(
    into: npt.NDArray[np.uint8],
    into_eights: npt.NDArray[np.uint64],
    at: int,
    source: npt.NDArray[np.uint8],
    source_eights: npt.NDArray[np.uint64],
    start: int,
    length: int,
) -> int:
    """Copy bytes and give the sum that ``sum_bytes`` has of them, at the price of the copy.

    ``into_eights`` and ``source_eights`` are the same memories as eight bytes ``at_every_byte``.
    """
    low, high = _NONE, _NONE  # sums of the 32-bit halves: nothing carries out of 64 bits
    here, there = np.uint64(start), np.uint64(at)
    for _ in range(np.uint64(length >> 5)):
        a, b = source_eights[here], source_eights[here + _8]
        c, d = source_eights[here + _16], source_eights[here + _24]
        into_eights[there], into_eights[there + _8] = a, b
        into_eights[there + _16], into_eights[there + _24] = c, d
        low += (a & _LOW) + (b & _LOW) + (c & _LOW) + (d & _LOW)
        high += (a >> _32) + (b >> _32) + (c >> _32) + (d >> _32)
        here += _32
        there += _32
    for _ in range(np.uint64(length >> 3 & 3)):
        a = source_eights[here]
        into_eights[there] = a
        low += a & _LOW
        high += a >> _32
        here += _8
        there += _8
    for i in range(np.uint64(length & 7)):
        byte = source[here + np.uint64(i)]
        into[there + np.uint64(i)] = byte
        low += np.uint64(byte) << np.uint64(_shift(int64(i)))
    folded: int = fold(int64(low + high))
    if _LITTLE:
        return ((folded & 0xFF) << 8) | (folded >> 8)
    return folded


def at_every_byte(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """The eight bytes at every offset of a buffer that has as many, as one number each; nothing is copied."""
    return np.ndarray((max(buffer.size - 7, 0),), np.uint64, buffer, strides=(1,))


def as_words(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """The same memory as 32-bit words; the last three bytes at most are left out."""
    return buffer[: buffer.size & ~3].view(np.uint32)
