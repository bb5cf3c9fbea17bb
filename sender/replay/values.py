"""The values that servers hand out: kept for each user, one slot for each, until a field of the user sends them."""

from __future__ import annotations

from typing import Any

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import Core, byte_at, field_at, session_of, slot_at, user_at
from gryphon.sender.replay.fields import Kind
from gryphon.sender.replay.personalise import first_field
from gryphon.sender.replay.sequence import after


@inner
def _is_in_flight(core: Core, row: int, user: Any, slot: int) -> bool:
    """Whether bytes that a retransmission would say again carry the slot's present value."""
    session = session_of(core)
    base = core.isn
    begin, until = after(user.snd_una, base) - 1, after(user.snd_max, base) - 1
    end = int64(session.first_field) + int64(session.fields)
    at = first_field(core, session, begin)
    while at < end:
        field = field_at(core.fields, at)
        if int64(field.start) >= until:
            return False
        if field.kind == Kind.EXTRACT and int64(field.slot) == slot:
            return True
        at += 1
    return False


@inner
def store_value(core: Core, row: int, slot: int, column: int, at: int, length: int) -> bool:
    """Keep a value for a user: of ``length`` bytes as many as the slot's rule declares.

    False, and nothing is kept, while the value before it is on its way unacknowledged: its retransmission must say the
    same bytes. Take the record's acknowledgement first, then store.

    Args:
        core: one row of CORE.
        row: the user.
        slot: index into ``Fields.slots``.
        column: address of the bytes that the value lies in, a column that is bound (``core.bind``).
        at: offset of the value in it.
        length: bytes of it; 0 empties the slot.
    """
    if _is_in_flight(core, row, user_at(core.users, row), slot):
        return False
    place = slot_at(core.slots, slot)
    to = row * core.value_stride + int64(place.offset)
    size = min(int64(length), int64(place.most))
    byte_at(core.values, to).value = size
    for i in range(size):
        byte_at(core.values, to + 1 + i).value = byte_at(column, at + i).value
    return True


@inner
def forget_values(core: Core, row: int) -> None:
    """Empty every slot of a user, which comes back as somebody new."""
    for i in range(core.value_stride):
        byte_at(core.values, row * core.value_stride + i).value = 0
