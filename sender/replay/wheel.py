"""The timer wheel: rows linked into slots of 128 microseconds by their earliest deadline, with no object per timer.

One turn takes 67 seconds. A row is linked once, at most; a deadline that moves later leaves it where it is, and the
row finds its place anew when its slot comes. Links are row + 1, so that zeroed memory is an empty wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import Core, count, head_at, user_at
from gryphon.sender.replay.measures import Counter

TICK_SHIFT = 7
"""A tick is 2^7 = 128 microseconds."""

SLOTS = 1 << 19
_TICK_MASK = (1 << (32 - TICK_SHIFT)) - 1


def new_wheel() -> npt.NDArray[np.uint32]:
    """The slots' heads, all empty."""
    return np.zeros(SLOTS, np.uint32)


@inner
def tick_of(deadline: int) -> int:
    """The first tick that begins at or after a deadline (microseconds modulo 2^32)."""
    return ((int64(deadline) + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT) & _TICK_MASK


@inner
def ticks_until(tick: int, cursor: int) -> int:
    """Ticks from the cursor (an absolute tick) to a tick modulo 2^25: negative when it has passed."""
    half = (_TICK_MASK + 1) >> 1
    return ((int64(tick) - cursor + half) & _TICK_MASK) - half


@inner
def unlink(core: Core, row: int) -> None:
    """Take a row out of its slot."""
    user = user_at(core.users, row)
    if user.tick == 0:
        return
    if user.previous != 0:
        user_at(core.users, user.previous - 1).next = user.next
    else:
        head_at(core.heads, (int64(user.tick) - 1) & (SLOTS - 1)).value = user.next
    if user.next != 0:
        user_at(core.users, user.next - 1).previous = user.previous
    user.tick = 0
    user.previous = 0
    user.next = 0
    count(core, Counter.TIMERS, -1)


@inner
def link(core: Core, row: int, tick: int, soonest: int) -> None:
    """Put a row into the slot of a tick, unless it already stands in an earlier one.

    A tick before ``soonest``, the cursor's own or the next, counts as that; one beyond the wheel's turn as its last.
    """
    user = user_at(core.users, row)
    ahead = min(max(ticks_until(tick, core.tick), soonest - core.tick), SLOTS - 1)
    if user.tick != 0:
        if ticks_until(int64(user.tick) - 1, core.tick) <= ahead:
            return
        unlink(core, row)
    place = (core.tick + ahead) & _TICK_MASK
    slot = place & (SLOTS - 1)
    head = head_at(core.heads, slot)
    first = head.value
    user.next = first
    user.tick = place + 1
    if first != 0:
        user_at(core.users, first - 1).previous = row + 1
    head.value = row + 1
    count(core, Counter.TIMERS, 1)
