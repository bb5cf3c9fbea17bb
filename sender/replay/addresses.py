"""Forged addresses and ports: computed from a user's slot number and back, never stored.

Divisions are passed by where the numbers tell the result: a 64-bit one takes as long as ten other instructions.

With A addresses and 28,233 ports there are C = A x 28,233 slots. User ``row`` in its ``loop`` takes slot
(loop x N + row) mod (floor(C / N) x N). Mode 0 varies the address first, mode 1 the port. A seed permutes the slots
by a bijection (a Feistel network that walks its cycle), so that no two users ever collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.sender.compiled import int64, kernel
from gryphon.sender.replay.core import BLOCK, Core, bind, block_at
from gryphon.sender.replay.sequence import scramble

FIRST_PORT = 32768
PORTS = 28233
"""Forged source ports 32768 to 61000, as the original."""

__all__ = ["BLOCK", "FIRST_PORT", "PORTS", "is_current", "locate", "plan", "row_of", "slot_of", "turns"]

_ROUNDS = 4


@kernel
def _feistel(core: Core, value: int, backward: bool) -> int:
    """One pass of the network over numbers of 2 x half_bits bits."""
    bits = core.half_bits
    mask = (1 << bits) - 1
    left, right = value >> bits, value & mask
    for step in range(_ROUNDS):
        if backward:
            turn = _ROUNDS - 1 - step
            left, right = right ^ (scramble(left ^ scramble(core.seed + turn)) & mask), left
        else:
            left, right = right, left ^ (scramble(right ^ scramble(core.seed + step)) & mask)
    return int64((left << bits) | right)


@kernel
def _permute(core: Core, slot: int, backward: bool) -> int:
    """The slot's place in the seed's order, or back; numbers outside the capacity are walked through."""
    if core.seed == 0:
        return slot
    value = _feistel(core, slot, backward)
    while value >= core.capacity:
        value = _feistel(core, value, backward)
    return int64(value)


@kernel
def locate(core: Core, row: int, loop: int) -> tuple[Any, Any, Any]:
    """(address_hi, address_lo, port) of a user in its loop."""
    slot = loop * core.user_count + row
    slot = _permute(core, slot if slot < core.cycle else slot % core.cycle, False)
    if core.mode == 0:
        index, port = slot % core.addresses, slot // core.addresses
    else:
        index, port = slot // PORTS, slot % PORTS
    at = 0
    while at + 1 < core.block_count and block_at(core.blocks, at + 1).before <= index:
        at += 1
    block = block_at(core.blocks, at)
    return block.hi, np.uint64(block.lo + np.uint64(index - block.before)), FIRST_PORT + port


@kernel
def slot_of(core: Core, hi: int, lo: int, port: int) -> int:
    """The slot whose address and port these are; -1 when it is no slot in use."""
    place = int(port) - FIRST_PORT
    if place < 0 or place >= PORTS:
        return -1
    for at in range(core.block_count):
        block = block_at(core.blocks, at)
        if block.hi == hi and lo >= block.lo and lo - block.lo < np.uint64(block.count):
            index = block.before + int64(lo - block.lo)
            slot = index + place * core.addresses if core.mode == 0 else index * PORTS + place
            slot = _permute(core, slot, True)
            return slot if slot < core.cycle else -1
    return -1


@kernel
def row_of(core: Core, slot: int) -> int:
    """The user that a slot belongs to, in one of its loops."""
    return int64(slot if slot < core.user_count else slot % core.user_count)


@kernel
def is_current(core: Core, slot: int, loop: int) -> bool:
    """Whether a user in this loop stands in its slot, not in that of an earlier loop."""
    if slot < core.user_count and loop < core.rounds:
        return bool(loop == 0)
    return bool(slot // core.user_count == loop % core.rounds)


@kernel
def turns(core: Core, loop: int) -> int:
    """How often a user in this loop has had its address and port before."""
    return int64(0 if loop < core.rounds else loop // core.rounds)


def plan(core: npt.NDArray[Any], blocks: npt.NDArray[Any], users: int, mode: int, seed: int) -> None:
    """Give ``core`` (one row of CORE) the addresses of its users; the caller has checked that they fit.

    Args:
        core: what to fill.
        blocks: the pool, dtype BLOCK; the caller keeps it alive.
        users: how many there are.
        mode: 0 varies the address first, 1 the port.
        seed: order of the slots, 0 leaves them as they are.
    """
    addresses = int(blocks["count"].sum())
    capacity = addresses * PORTS
    bind(core, "blocks", blocks)
    core["block_count"], core["user_count"] = len(blocks), users
    core["addresses"], core["capacity"], core["cycle"] = addresses, capacity, capacity // users * users
    core["rounds"] = capacity // users
    core["mode"], core["seed"] = mode, seed & 0x7FFFFFFF
    core["half_bits"] = ((capacity - 1).bit_length() + 1) // 2
