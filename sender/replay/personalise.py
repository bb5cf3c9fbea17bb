"""Writes a user's own values into a copy of a segment: the arena that all users share stays as it is."""

from __future__ import annotations

from typing import Any

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import Core, byte_at, count, field_at, slot_at, user_number
from gryphon.sender.replay.fields import Kind
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.sequence import MASK, after, plus, scramble
from gryphon.sender.replay.sums import MODULUS


@inner
def first_field(core: Core, session: Any, offset: int) -> int:
    """Index of the session's first field that ends behind an offset of its stream; one past its last if none does."""
    low = int64(session.first_field)
    high = low + int64(session.fields)
    while low < high:
        middle = (low + high) >> 1
        field = field_at(core.fields, middle)
        if int64(field.start) + int64(field.width) <= offset:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def personalise(core: Core, row: int, user: Any, packet: Any, session: Any, offset: int) -> None:
    """Point a packet with stream bytes from ``offset`` on at a copy that has the user's values, if it carries any."""
    length = int64(packet.length)
    at = first_field(core, session, offset)
    end = int64(session.first_field) + int64(session.fields)
    if at == end or int64(field_at(core.fields, at).start) >= offset + length:
        return
    source = int64(packet.payload)
    copy = int64(core.scratch + core.scratch_used)
    core.scratch_used += (length + 7) & ~7
    for i in range(length):
        byte_at(core.payload, copy + i).value = byte_at(core.payload, source + i).value
    difference = int64(0)
    while at < end:
        field = field_at(core.fields, at)
        begin = int64(field.start) - offset
        if begin >= length:
            break
        low = max(-begin, 0)
        high = min(int64(field.width), length - begin)
        fresh = begin >= 0 and after(plus(packet.seq, begin), user.snd_max) >= 0
        _write(core, row, user, field, copy + begin, low, high, fresh)
        difference += _difference(core, source, copy, begin + low, begin + high)
        at += 1
    packet.payload = copy
    packet.payload_sum = difference % MODULUS


@inner
def _difference(core: Core, source: int, copy: int, begin: int, end: int) -> int:
    """What bytes ``begin`` to ``end`` of the copy add to, or take from, the sum of 16-bit words at ``source``."""
    total = int64(0)
    for i in range(begin, end):
        more = int64(byte_at(core.payload, copy + i).value) - int64(byte_at(core.payload, source + i).value)
        total += more if i & 1 else more << 8
    return total


@inner
def _write(core: Core, row: int, user: Any, field: Any, to: int, low: int, high: int, fresh: bool) -> None:
    """Write bytes ``low`` to ``high`` of a field's value; its byte 0 belongs at ``to`` in the arena."""
    number = user_number(core, row)
    serial = int64(user.loop) * core.everybody + number
    if field.kind == Kind.USER:
        _write_number(core, field, int64(field.first) + number, to, low, high)
    elif field.kind == Kind.COUNTER:
        _write_number(core, field, int64(field.first) + serial, to, low, high)
    elif field.kind == Kind.RANDOM:
        _write_random(core, field, number, int64(user.loop), to, low, high)
    elif field.kind == Kind.CSV:
        text = int64(field.texts) + serial % int64(field.text_count) * int64(field.width)
        for i in range(low, high):
            byte_at(core.payload, to + i).value = byte_at(core.texts, text + i).value
    else:
        _write_extract(core, row, field, to, low, high, fresh)


@inner
def _write_number(core: Core, field: Any, number: int, to: int, low: int, high: int) -> None:
    """A number in decimal; one with more digits than the field has bytes keeps its last digits."""
    width = int64(field.width)
    digits = 1
    rest = number // 10
    while rest > 0 and digits < width:
        digits += 1
        rest //= 10
    begin = width - digits if field.right else 0
    for i in range(low, high):
        if i < begin or i >= begin + digits:
            byte_at(core.payload, to + i).value = field.pad
    for i in range(begin + digits - 1, begin - 1, -1):
        if low <= i < high:
            byte_at(core.payload, to + i).value = 48 + number % 10
        number //= 10


@inner
def _write_random(core: Core, field: Any, number: int, loop: int, to: int, low: int, high: int) -> None:
    """Letters by a hash with 64 bits of state, so that no two users' texts are the same by chance."""
    rule = scramble(int64(field.rule) ^ scramble(core.seed))
    one = scramble(number ^ scramble(loop ^ rule))
    other = scramble((number + 0x9E3779B9) & MASK ^ scramble((loop + rule + 0x85EBCA6B) & MASK))
    for i in range(low, high):
        letter = scramble(one ^ scramble((other + i) & MASK)) % int64(field.text_count)
        byte_at(core.payload, to + i).value = byte_at(core.texts, int64(field.texts) + letter).value


@inner
def _write_extract(core: Core, row: int, field: Any, to: int, low: int, high: int, fresh: bool) -> None:
    """What an answer gave; the recorded bytes stay, and are counted where they leave first, while none has."""
    at = row * core.value_stride + int64(slot_at(core.slots, field.slot).offset)
    width = int64(field.width)
    size = min(int64(byte_at(core.values, at).value), width)
    if size == 0:
        if fresh:
            count(core, Counter.UNEXTRACTED, 1)
        return
    begin = width - size if field.right else 0
    for i in range(low, high):
        if begin <= i < begin + size:
            byte_at(core.payload, to + i).value = byte_at(core.values, at + 1 + i - begin).value
        else:
            byte_at(core.payload, to + i).value = field.pad
