"""Values that answers give: each user sends its own, and never another while one is on its way."""

from __future__ import annotations

from typing import Any

import numpy as np
from peer import Message, make_script
from transcript import Transcript
from whole import whole

from gryphon.sender.replay.core import bind
from gryphon.sender.replay.fields import FIELD, Fields, Kind, scratch_bytes, slots
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.script import Script
from gryphon.sender.replay.values import forget_values, store_value


@whole
def _store(cores: Any, column: int, length: int) -> bool:
    return store_value(cores[0], 0, 1, column, 0, length)


@whole
def _forget(cores: Any) -> None:
    forget_values(cores[0], 0)


def _transcript(width: int = 6) -> Transcript:
    """Two messages of ten bytes, the second 10 ms later; a field of slot 1 at byte 2 of each."""
    plain = make_script([Message(10), Message(10, 10)])
    rows = np.zeros(2, FIELD)
    rows["start"], rows["width"], rows["kind"], rows["slot"], rows["pad"] = [2, 12], width, Kind.EXTRACT, 1, 46
    room = scratch_bytes(64, 1500)
    fields = Fields(rows=rows, slots=slots([3, 8]), scratch=len(plain.payload))
    plain.sessions["fields"] = 2
    payload = np.concatenate([plain.payload, np.zeros(room, np.uint8)])
    return Transcript([], script=Script(plain.sessions, plain.entries, payload, fields), batch=64).open()


def _give(t: Transcript, value: bytes) -> bool:
    column = np.frombuffer(value.ljust(16), np.uint8).copy()
    core = np.zeros(1, [("column", "i8")])
    bind(core[0], "column", column)
    return bool(_store(t.engine._cores, int(core["column"][0]), len(value)))


def _bytes(t: Transcript, packet: Any) -> bytes:
    at = int(packet["payload"])
    return t.script.payload[at : at + int(packet["length"])].tobytes()


def test_a_stored_value_is_sent_and_padded() -> None:
    t = _transcript()
    assert _give(t, b"abc")
    t.until(2.5)
    assert _bytes(t, t.take("P.", 1, 10)) == b"\x00\x01abc...\x08\x09"
    assert t.count(Counter.UNEXTRACTED) == 0


def test_a_value_is_cut_to_what_its_rule_and_its_field_keep() -> None:
    t = _transcript()
    assert _give(t, b"abcdefghijkl")
    t.until(2.5)
    assert _bytes(t, t.take("P.", 1, 10)) == b"\x00\x01abcdef\x08\x09"


def test_without_a_value_the_recorded_bytes_leave_and_are_counted_once() -> None:
    t = _transcript()
    t.until(2.5)
    assert _bytes(t, t.take("P.", 1, 10)) == bytes(range(10))
    t.until(1500)
    assert t.drop() > 0
    assert t.count(Counter.RETRANSMITTED) > 0
    assert t.count(Counter.UNEXTRACTED) == 2


def test_a_value_on_its_way_stays_until_it_is_acknowledged() -> None:
    t = _transcript()
    assert _give(t, b"old")
    t.until(2.5)
    t.take("P.", 1, 10)
    assert not _give(t, b"new")
    t.give(".", 1, 11)
    assert _give(t, b"new")
    t.until(20)
    assert _bytes(t, t.take("P.", 11, 10)) == b"\x0a\x0bnew...\x12\x13"


def test_a_user_that_comes_back_has_no_value() -> None:
    t = _transcript()
    assert _give(t, b"abc")
    _forget(t.engine._cores)
    t.until(2.5)
    assert _bytes(t, t.take("P.", 1, 10)) == bytes(range(10))


def test_the_scratch_area_begins_anew_with_each_step() -> None:
    t = _transcript()
    t.until(2.5)
    one = int(t.take("P.", 1, 10)["payload"])
    t.give(".", 1, 11)
    t.until(20)
    assert int(t.take("P.", 11, 10)["payload"]) == one == t.script.fields.scratch
