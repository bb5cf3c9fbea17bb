"""What the engine reads out of the first bytes of a segment: whether an answer is the recorded one, its HTTP status,
values that the server hands out, and times that a publisher has put into its messages.

The sample of the record being served stands at ``core.sample_at`` of ``core.samples`` and has ``core.sample_length``
bytes, of which the first ``core.sample_skip`` had arrived before.
"""

from __future__ import annotations

from typing import Any

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import Core, byte_at, count, note, number_at, session_of, wanted_at
from gryphon.sender.replay.measures import STATUSES, Counter, Histogram
from gryphon.sender.replay.values import store_value
from gryphon.sender.replay.verify import HTTP_HEAD
from gryphon.sender.replay.wanted import ANY, Purpose

_HTTP = (0x48, 0x54, 0x54, 0x50, 0x2F, 0x31, 0x2E)  # HTTP/1.
_ZERO, _NINE, _SPACE = 0x30, 0x39, 0x20
_DIGITS = 19
"""More decimal digits are no time: this century's nanoseconds since the epoch have so many."""


@inner
def _byte(core: Core, at: int) -> int:
    """A byte of the present sample, counted from the first that is new."""
    return int64(byte_at(core.samples, core.sample_at + core.sample_skip + at).value)


@inner
def fresh_bytes(core: Core) -> int:
    """How many of the present sample's bytes are new."""
    return int64(core.sample_length - core.sample_skip)


@inner
def differs(core: Core, entry: Any) -> bool:
    """Whether an answer that begins with this segment begins otherwise than recorded, as far as both are seen."""
    for i in range(min(int64(entry.head_length), fresh_bytes(core))):
        at = entry.head + i
        if not byte_at(core.masks, at).value and _byte(core, i) != byte_at(core.answer_heads, at).value:
            return True
    return False


@inner
def count_status(core: Core) -> None:
    """Count the status code of an answer that begins with this segment, if it is one of HTTP/1 (RFC 9112, 4)."""
    if fresh_bytes(core) < HTTP_HEAD:
        return
    for i in range(7):
        if _byte(core, i) != _HTTP[i]:
            return
    code = 0
    for i in range(9, HTTP_HEAD):
        digit = _byte(core, i) - _ZERO
        if digit < 0 or digit > 9:
            return
        code = 10 * code + digit
    if _byte(core, 8) == _SPACE and code < STATUSES:
        number_at(core.statuses, code).value += 1


@inner
def _find(core: Core, rule: Any, begin: int, end: int) -> int:
    """Where the bytes behind the rule's text begin, -1 when it does not stand between these places."""
    size = int64(rule.after_length)
    for at in range(begin, end - size + 1):
        i = 0
        while i < size and _byte(core, at + i) == byte_at(core.wanted_texts, rule.after + i).value:
            i += 1
        if i == size:
            return at + size
    return -1


@inner
def _ends(core: Core, rule: Any, byte: int) -> bool:
    """Whether a byte ends the rule's value."""
    found = False
    for i in range(int64(rule.until_length)):
        found = found or byte_at(core.wanted_texts, rule.until + i).value == byte
    return found


@inner
def _take_value(core: Core, row: int, rule: Any, begin: int, end: int, whole: bool) -> None:
    """Keep the value for the user; one that goes on behind the sample is not kept, unless it is as long as declared."""
    at = begin
    while at < end and at - begin < int64(rule.most) and not _ends(core, rule, _byte(core, at)):
        at += 1
    if at > begin and (whole or at < end or at - begin == int64(rule.most)):
        place = core.sample_at + core.sample_skip + begin
        if store_value(core, row, rule.slot, core.samples, place, at - begin):
            count(core, Counter.EXTRACTED, 1)


@inner
def _take_time(core: Core, rule: Any, begin: int, end: int, at_us: int) -> int:
    """Note how long ago the time that stands here was; where its digits end."""
    value, at = int64(0), begin
    while at < end and _ZERO <= _byte(core, at) <= _NINE:
        if at - begin < _DIGITS:
            value = 10 * value + _byte(core, at) - _ZERO
        at += 1
    if begin < at < end and at - begin <= _DIGITS:
        note(core, Histogram.PUSH, core.wall_clock + at_us - int64(value * rule.scale))
    return at


@inner
def _applies(core: Core, row: int, user: Any, rule: Any) -> bool:
    """Whether the rule is about answers of this service to the message that went out last."""
    session = session_of(core)
    number = int64(user.message) - int64(session.first)
    return bool((rule.target == ANY or rule.target == session.target) and (rule.message == 0 or rule.message == number))


@inner
def look_for_wanted(core: Core, row: int, user: Any, at_us: int, length: int) -> None:
    """Serve every rule for the bytes that have just arrived in order.

    ``length`` is the segment's payload: a value at the end of a sample that holds all of it is whole.
    """
    whole = core.sample_length >= length
    for place in range(core.wanted_count):
        rule = wanted_at(core.wanted, place)
        if not _applies(core, row, user, rule):
            continue
        end = min(fresh_bytes(core), int64(rule.within))
        found = _find(core, rule, 0, end)
        if rule.purpose == Purpose.VALUE and found >= 0:
            _take_value(core, row, rule, found, end, whole and end == fresh_bytes(core))
        while rule.purpose == Purpose.TIME and found >= 0:
            found = _find(core, rule, _take_time(core, rule, found, end, at_us), end)
