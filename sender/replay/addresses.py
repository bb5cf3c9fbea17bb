"""Forged addresses and ports: computed from a user's slot number and back, never stored.

With A addresses and 28,233 ports there are C = A x 28,233 slots. User ``row`` in its ``loop`` takes slot
(loop x N + row) mod (floor(C / N) x N). Mode 0 varies the address first, mode 1 the port. A seed permutes the slots
by a bijection (a Feistel network that walks its cycle), so that no two users ever collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gryphon.sender.compiled import kernel
from gryphon.sender.replay.sequence import int64, scramble

FIRST_PORT = 32768
PORTS = 28233
"""Forged source ports 32768 to 61000, as the original."""

BLOCK = np.dtype([("hi", "u8"), ("lo", "u8"), ("count", "i8"), ("before", "i8")])
"""A run of addresses: the first (host order, IPv4 mapped), how many, and how many stand before it in the pool."""

PLAN = np.dtype(
    [
        ("addresses", "i8"),
        ("capacity", "i8"),  # C
        ("users", "i8"),  # N
        ("cycle", "i8"),  # floor(C / N) x N
        ("mode", "i8"),
        ("seed", "i8"),  # 0: slots in order
        ("half_bits", "i8"),  # of the Feistel network
    ]
)
"""How slots become addresses and ports, one row."""

_ROUNDS = 4


@kernel
def _feistel(plan: Any, value: int, backward: bool) -> int:
    """One pass of the network over numbers of 2 x half_bits bits."""
    bits = plan.half_bits
    mask = (1 << bits) - 1
    left, right = value >> bits, value & mask
    for step in range(_ROUNDS):
        if backward:
            turn = _ROUNDS - 1 - step
            left, right = right ^ (scramble(left ^ scramble(plan.seed + turn)) & mask), left
        else:
            left, right = right, left ^ (scramble(right ^ scramble(plan.seed + step)) & mask)
    return int64((left << bits) | right)


@kernel
def _permute(plan: Any, slot: int, backward: bool) -> int:
    """The slot's place in the seed's order, or back; numbers outside the capacity are walked through."""
    if plan.seed == 0:
        return slot
    value = _feistel(plan, slot, backward)
    while value >= plan.capacity:
        value = _feistel(plan, value, backward)
    return int64(value)


@kernel
def locate(blocks: Any, plan: Any, row: int, loop: int) -> tuple[Any, Any, Any]:
    """(address_hi, address_lo, port) of a user in its loop."""
    slot = _permute(plan, (loop * plan.users + row) % plan.cycle, False)
    if plan.mode == 0:
        index, port = slot % plan.addresses, slot // plan.addresses
    else:
        index, port = slot // PORTS, slot % PORTS
    at = 0
    while at + 1 < len(blocks) and blocks[at + 1].before <= index:
        at += 1
    block = blocks[at]
    return block.hi, np.uint64(block.lo + np.uint64(index - block.before)), FIRST_PORT + port


@kernel
def row_of(blocks: Any, plan: Any, hi: int, lo: int, port: int) -> int:
    """The user whose address and port these are, in whichever loop; -1 when they are nobody's."""
    place = int(port) - FIRST_PORT
    if place < 0 or place >= PORTS:
        return -1
    for at in range(len(blocks)):
        block = blocks[at]
        if block.hi == hi and lo >= block.lo and lo - block.lo < np.uint64(block.count):
            index = block.before + int64(lo - block.lo)
            slot = index + place * plan.addresses if plan.mode == 0 else index * PORTS + place
            slot = _permute(plan, slot, True)
            return slot % plan.users if slot < plan.cycle else -1
    return -1


def new_plan(addresses: int, users: int, mode: int, seed: int) -> Any:
    """The plan of ``users`` over a pool of ``addresses``; the caller has checked that they fit."""
    capacity = addresses * PORTS
    plan = np.zeros(1, PLAN).view(np.recarray)
    plan[0] = (
        addresses,
        capacity,
        users,
        capacity // users * users,
        mode,
        seed & 0x7FFFFFFF,
        ((capacity - 1).bit_length() + 1) // 2,
    )
    return plan
