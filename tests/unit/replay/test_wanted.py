"""What is taken out of answers: values for later messages of the same user, and times that a publisher wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from peer import Message, make_script
from transcript import Transcript

from gryphon.sender.replay.fields import FIELD, Fields, Kind, scratch_bytes, slots
from gryphon.sender.replay.measures import Counter, Histogram
from gryphon.sender.replay.wanted import Purpose, Want, compile_wanted
from gryphon.sender.results.histogram import maximum, percentile

RECORDED = bytes(range(10, 20))
TOKEN = Want(Purpose.VALUE, b"sid=", 32, until=b"; \r", most=8)
TIME = Want(Purpose.TIME, b"t=", 64)


def _field(*wants: Want, sample: int = 32, most: int = 8, **more: Any) -> Transcript:
    """A user that asks with ten bytes, waits for an answer, and sends ten more: bytes 2 to 7 are its value."""
    script = make_script([Message(10), Message(10, expect=20)])
    rows = np.zeros(1, FIELD)
    rows["start"], rows["width"], rows["kind"], rows["pad"] = 12, 6, Kind.EXTRACT, ord(".")
    fields = Fields(rows=rows, slots=slots([most]), scratch=len(script.payload))
    script.sessions["fields"] = 1
    room = np.zeros(scratch_bytes(64, 1500), np.uint8)
    script = replace(script, payload=np.concatenate([script.payload, room]), fields=fields)
    t = Transcript([], script=script, batch=64, sample=sample, wanted=compile_wanted(wants or [TOKEN]), **more).open()
    t.until(2.5)
    t.take("P.", 1, 10)
    return t


def _bytes(t: Transcript, packet: Any) -> bytes:
    at = int(packet["payload"])
    return t.script.payload[at : at + int(packet["length"])].tobytes()


def _sent(t: Transcript) -> bytes:
    """What the second message says in the place of the value; "recorded" when that."""
    t.until(t.now_ms + 5)
    t.drop_acknowledgements()
    data = _bytes(t, t.take("P.", 11, 10))
    assert (data[:2], data[8:]) == (RECORDED[:2], RECORDED[8:])
    return b"recorded" if data == RECORDED else data[2:8]


@pytest.mark.parametrize(
    ("want", "answer", "sent"),
    [
        (TOKEN, b"OK sid=abc; more to come", b"abc..."),
        (TOKEN, b"sid=abc def and the rest", b"abc..."),
        (TOKEN, b"OK; sid=abcdefghij; more", b"abcdef"),  # most of it is kept, the field has room for less
        (TOKEN, b"OK sid=abc to sid=def to", b"abc..."),
        (TOKEN, b"OK ssid=abc; more to com", b"abc..."),
        (TOKEN, b"OK SID=abc; more to come", b"recorded"),
        (TOKEN, b"OK sid=; nothing's there", b"recorded"),
        (replace(TOKEN, most=3), b"OK sid=abcdefg; and more", b"abc..."),
        (replace(TOKEN, after=b""), b"abc; and the rest of it.", b"abc..."),
        (replace(TOKEN, until=b""), b"OK sid=a;b c\rd and more", b"a;b c\r"),
    ],
)
def test_a_value_stands_behind_a_text_and_ends_at_a_byte_or_at_its_length(
    want: Want, answer: bytes, sent: bytes
) -> None:
    t = _field(want)
    t.give("P.", 1, 11, data=answer)
    assert _sent(t) == sent
    assert t.count(Counter.EXTRACTED) == (sent != b"recorded")
    assert t.count(Counter.UNEXTRACTED) == (sent == b"recorded")


def test_a_value_that_the_sample_cuts_off_is_not_kept() -> None:
    t = _field(sample=16)
    t.give("P.", 1, 11, data=b"OK, now, sid=abc; more")
    assert _sent(t) == b"recorded"
    t = _field(sample=16)
    t.give("P.", 1, 11, data=b"OK, now sid=abc; more")
    assert _sent(t) == b"abc..."


def test_a_value_at_the_end_of_a_segment_that_is_seen_whole_is_kept() -> None:
    t = _field()
    t.give("P.", 1, 11, data=b"0123456789012 sid=abc")
    assert _sent(t) == b"abc..."


def test_a_value_at_the_end_of_what_the_rule_looks_at_is_cut_off() -> None:
    t = _field(replace(TOKEN, within=8))
    t.give("P.", 1, 11, data=b" sid=abc; and the rest")
    assert _sent(t) == b"recorded"
    t = _field(replace(TOKEN, within=8, most=3))
    t.give("P.", 1, 11, data=b" sid=abcd and the rest")
    assert _sent(t) == b"abc..."


def test_every_segment_is_looked_at_by_itself() -> None:
    t = _field()
    t.give(".", 1, 11, data=b"OK, and now si")
    t.give(".", 15, 11, data=b"d=abc; ")
    assert t.count(Counter.EXTRACTED) == 0
    t.give("P.", 22, 11, data=b"sid=def; ")
    assert _sent(t) == b"def..."


def test_a_value_is_looked_for_from_the_first_new_byte_on() -> None:
    t = _field()
    t.give(".", 1, 11, data=b"sid=abc; ")
    t.give("P.", 1, 11, data=b"sid=abc; sid=def; rest.")
    assert t.count(Counter.EXTRACTED) == 2
    assert _sent(t) == b"def..."


@pytest.mark.parametrize(
    ("message", "target", "taken"), [(0, 0xFFFF, 1), (1, 0xFFFF, 1), (2, 0xFFFF, 0), (1, 0, 1), (1, 1, 0)]
)
def test_a_rule_is_about_the_answers_to_one_message_of_one_server(message: int, target: int, taken: int) -> None:
    t = _field(replace(TOKEN, message=message, target=target))
    t.give("P.", 1, 11, data=b"OK sid=abc; more to come")
    assert t.count(Counter.EXTRACTED) == taken


def test_a_retransmission_says_the_same_value_whatever_comes_meanwhile() -> None:
    t = _field()
    t.give("P.", 1, 11, data=b"OK sid=abc; more to come")
    assert _sent(t) == b"abc..."
    t.give("P.", 25, 11, data=b"sid=other; not for now")
    t.drop()
    t.until(2000)
    t.drop_acknowledgements()
    again = _bytes(t, t.take("P.", 11, 10))
    assert again[2:8] == b"abc..."
    assert t.count(Counter.RETRANSMITTED) > 0


def test_a_user_that_comes_back_begins_without_values() -> None:
    t = _field(loops=2)
    t.give("P.", 1, 11, data=b"OK sid=abc; more to come")
    assert _sent(t) == b"abc..."
    t.give("P.F", 25, 21, data=b"bye")
    t.until(t.now_ms + 20)
    t.give(".", 29, 22)
    t.until(t.now_ms + 3000)
    t.follow()
    t.drop()
    assert t.count(Counter.SESSIONS_STARTED) == 2
    t.give("S.", 0, 1, mss=1460)
    t.until(t.now_ms + 3)
    t.drop_acknowledgements()
    t.take("P.", 1, 10)
    t.give("P.", 1, 11, data=b"OK, but none for you now")
    assert _sent(t) == b"recorded"
    assert t.count(Counter.EXTRACTED) == 1


# -- times ---------------------------------------------------------------------------------------------------------


def _told(text: bytes, *wants: Want, wall_ns: int = 0, sample: int = 64, length: int = 0, at: float = 50) -> Transcript:
    """A user that awaits nothing is told this ``at`` ms of the run."""
    wanted = compile_wanted(wants or [TIME])
    t = Transcript([], hold_s=10, sample=sample, wanted=wanted, wall_ns=wall_ns).open()
    t.until(at)
    t.give("P.", 1, 1, length, data=text)
    return t


def _ages(t: Transcript) -> tuple[int, int | None, int | None]:
    """How many times were seen, and the ages of the youngest and the oldest in microseconds."""
    counts = t.engine.histograms[Histogram.PUSH]
    return int(counts.sum()), percentile(counts, 0.001), maximum(counts)


@pytest.mark.parametrize(
    ("unit_us", "stamp"),
    [(1e6, b"1700000000"), (1e3, b"1700000000000"), (1, b"1700000000000000"), (1e-3, b"1700000000000000000")],
)
def test_the_age_of_a_message_is_from_the_time_in_it_to_its_arrival(unit_us: float, stamp: bytes) -> None:
    t = _told(b"t=" + stamp + b",", replace(TIME, unit_us=unit_us), wall_ns=1_700_000_000_000_000_000)
    assert _ages(t) == (1, pytest.approx(50_000, rel=1e-3), pytest.approx(50_000, rel=1e-3))


def test_a_number_of_more_digits_is_no_time() -> None:
    assert _ages(_told(b"t=10000000000000000000, t=1000,"))[0] == 1


def test_several_times_in_one_segment_all_count() -> None:
    t = _told(b"t=1000, t=11000, t=21000, t=x, t=;")
    assert _ages(t)[0] == 3
    assert _ages(t)[1:] == (pytest.approx(29_000, rel=1e-3), pytest.approx(49_000, rel=1e-3))


def test_a_time_that_the_sample_cuts_off_is_not_counted() -> None:
    assert _ages(_told(b"xxxx t=1000, t=20", sample=16))[0] == 1
    assert _ages(_told(b"xxxxxxxxxx t=10000", sample=16))[0] == 0


def test_a_time_in_the_future_of_this_clock_is_an_age_of_nothing() -> None:
    assert _ages(_told(b"t=99999999,")) == (1, 0, 0)


def test_a_time_behind_another_text_does_not_count() -> None:
    assert _ages(_told(b"T=1000, u=1000,"))[0] == 0


def test_values_and_times_are_taken_out_of_the_same_segment() -> None:
    t = _field(TOKEN, TIME)
    t.give("P.", 1, 11, data=b"t=1000, sid=abc; t=2000,.")
    assert _ages(t)[0] == 2
    assert _sent(t) == b"abc..."
