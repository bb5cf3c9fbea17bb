"""Which flow a segment belongs to: a hash table from endpoint pairs to numbers, which sort faster."""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ENDPOINTS, Array
from gryphon.sender.compiled import int64, kernel

_WORD = 0xFFFFFFFF


@kernel
def _mixed(value: int, more: int) -> int:
    """Stir 32 bits into a 32-bit hash; no product leaves 63 bits."""
    value = ((value ^ more) & _WORD) * 0x45D9F3B3 & _WORD
    return value ^ (value >> 15)


@kernel
def _hash(flows: Array, i: int, mask: int, secret: int) -> int:
    a_lo, b_lo = int64(flows["a_lo"][i]), int64(flows["b_lo"][i])
    a_hi, b_hi = int64(flows["a_hi"][i]), int64(flows["b_hi"][i])
    value = _mixed(secret, (int64(flows["a_port"][i]) << 16) | int64(flows["b_port"][i]))
    value = _mixed(_mixed(value, a_lo), b_lo)
    if a_hi != 0 or b_hi != 0:
        value = _mixed(_mixed(_mixed(value, a_lo >> 32), a_hi), a_hi >> 32)
        value = _mixed(_mixed(_mixed(value, b_lo >> 32), b_hi), b_hi >> 32)
    return _mixed(value, value >> 7) & mask


@kernel
def _swapped(pairs: Array, i: int) -> bool:
    """Whether the row's b sorts before its a: a flow has one order of its endpoints, whoever sends."""
    if pairs["a_lo"][i] != pairs["b_lo"][i]:
        return bool(pairs["a_lo"][i] > pairs["b_lo"][i])
    if pairs["a_hi"][i] != pairs["b_hi"][i]:
        return bool(pairs["a_hi"][i] > pairs["b_hi"][i])
    return bool(pairs["a_port"][i] > pairs["b_port"][i])


@kernel
def _equal(flows: Array, f: int, g: int) -> bool:
    return bool(
        flows["a_lo"][f] == flows["a_lo"][g]
        and flows["b_lo"][f] == flows["b_lo"][g]
        and flows["a_port"][f] == flows["a_port"][g]
        and flows["b_port"][f] == flows["b_port"][g]
        and flows["a_hi"][f] == flows["a_hi"][g]
        and flows["b_hi"][f] == flows["b_hi"][g]
    )


@kernel
def _number(
    pairs: Array,
    first: int,
    count: int,
    segments: Array,
    flows: Array,
    known: int,
    table: npt.NDArray[np.int32],
    secret: int,
) -> tuple[int, int]:
    """Write flow and direction of the rows first..count; gives (rows done, flows known). Full: stops."""
    mask = len(table) - 1
    for i in range(first, count):
        if 2 * (known + 1) > len(table) or known + 1 >= len(flows):
            return i, known
        swap = _swapped(pairs, i)
        flows["a_hi"][known] = pairs["b_hi"][i] if swap else pairs["a_hi"][i]
        flows["a_lo"][known] = pairs["b_lo"][i] if swap else pairs["a_lo"][i]
        flows["a_port"][known] = pairs["b_port"][i] if swap else pairs["a_port"][i]
        flows["b_hi"][known] = pairs["a_hi"][i] if swap else pairs["b_hi"][i]
        flows["b_lo"][known] = pairs["a_lo"][i] if swap else pairs["b_lo"][i]
        flows["b_port"][known] = pairs["a_port"][i] if swap else pairs["b_port"][i]
        slot = _hash(flows, known, mask, secret)
        while table[slot] >= 0 and not _equal(flows, table[slot], known):
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = known
            known += 1
        segments["flow"][i] = table[slot]
        segments["direction"][i] = swap
    return count, known


@kernel
def _rebuild(flows: Array, known: int, table: npt.NDArray[np.int32], secret: int) -> None:
    mask = len(table) - 1
    for f in range(known):
        slot = _hash(flows, f, mask, secret)
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = f


class Flows:
    """The flows seen so far; ``rows`` (ENDPOINTS) has one row for each."""

    def __init__(self) -> None:
        self._rows = np.zeros(1 << 12, ENDPOINTS)
        self._table = np.full(1 << 13, -1, np.int32)
        self._known = 0
        self._secret = secrets.randbits(32)  # else a file could be made whose flows all collide

    @property
    def rows(self) -> Array:
        return self._rows[: self._known]

    def number(self, pairs: Array, segments: Array, count: int) -> None:
        """Write ``flow`` and ``direction`` of the first ``count`` SEGMENT rows; ``pairs`` are their ENDPOINTS."""
        done = 0
        while done < count:
            done, self._known = _number(
                pairs, done, count, segments, self._rows, self._known, self._table, self._secret
            )
            if done < count:
                self._grow()

    def _grow(self) -> None:
        self._rows = np.concatenate([self._rows, np.zeros(len(self._rows), ENDPOINTS)])
        self._table = np.full(2 * len(self._table), -1, np.int32)
        _rebuild(self._rows, self._known, self._table, self._secret)
