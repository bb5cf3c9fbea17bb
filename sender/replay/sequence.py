"""32-bit numbers that wrap: sequence numbers (RFC 9293, 3.4) and microsecond clocks, compared in modular order.

Columns are unsigned; numba turns unsigned with signed 64-bit numbers into floats, so every kernel converts an
unsigned field with ``int64`` before it calculates with it.
"""

from __future__ import annotations

from gryphon.sender.compiled import int64, kernel

MASK = 0xFFFFFFFF


@kernel
def after(a: int, b: int) -> int:
    """How far a lies after b on the circle of 32-bit numbers: negative when it lies before."""
    return ((int64(a) - int64(b) + 0x80000000) & MASK) - 0x80000000


@kernel
def plus(a: int, n: int) -> int:
    """The number n steps after a."""
    return (int64(a) + n) & MASK


@kernel
def instant(a: int, n: int) -> int:
    """The time n microseconds after a as a deadline: never 0, which stands for none."""
    return max((int64(a) + n) & MASK, 1)


@kernel
def scramble(value: int) -> int:
    """A well mixed 32-bit number out of another: two rounds of shift and multiply, products below 2^63."""
    value = int64(value) & MASK
    value = ((value ^ (value >> 16)) * 0x45D9F3B) & MASK
    value = ((value ^ (value >> 13)) * 0x45D9F3B) & MASK
    return value ^ (value >> 16)
