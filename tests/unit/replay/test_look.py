"""What is read at the beginning of an answer: HTTP's status code, and whether it is the recorded one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.verify import Verify

OK = b"HTTP/1.1 200 OK\r\n\r\n"
EVERYTHING = Verify(32, True)


def _asked(recorded: bytes, verify: Verify | None = None, sample: int = 64, **more: Any) -> Transcript:
    """A user that has asked once, and waits for an answer that began so and had as many bytes."""
    messages = [Message(10), Message(10, expect=len(recorded), head=recorded)]
    t = Transcript(messages, sample=sample, verify=verify or Verify(16), **more).open()
    t.until(2.5)
    t.take("P.", 1, 10)
    return t


def _statuses(t: Transcript) -> dict[int, int]:
    return {code: int(count) for code, count in enumerate(t.engine.statuses) if count}


def _differing(t: Transcript) -> tuple[int, int, int]:
    return t.count(Counter.OTHER_SIZE), t.count(Counter.OTHER_CONTENT), t.count(Counter.MISMATCHED)


@pytest.mark.parametrize("code", [100, 200, 404, 599])
@pytest.mark.parametrize("version", [0, 1])
def test_a_status_is_counted_by_its_code(code: int, version: int) -> None:
    t = _asked(OK)
    t.give("P.", 1, 11, data=b"HTTP/1.%d %d OK\r\n\r\n" % (version, code))
    assert _statuses(t) == {code: 1}


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/2.0 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1-200 OK",
        b"HTTP/1.1 999 OK",
        b"HTTP/1.1 20",
    ],
)
def test_what_is_no_status_line_is_not_counted(line: bytes) -> None:
    t = _asked(OK)
    t.give("P.", 1, 11, data=line)
    assert _statuses(t) == {}


def test_a_status_line_that_the_sample_cuts_off_is_not_counted() -> None:
    t = _asked(OK, sample=8)
    t.give("P.", 1, 11, data=OK)
    assert _statuses(t) == {}


def test_only_the_beginning_of_an_answer_is_read() -> None:
    t = _asked(OK + OK, EVERYTHING)
    t.give(".", 1, 11, data=OK)
    t.give("P.", 1 + len(OK), 11, data=b"HTTP/1.1 500 no\r\n\r\n")
    assert _statuses(t) == {200: 1}
    assert _differing(t) == (0, 0, 0)


def test_a_push_that_nobody_waits_for_is_no_answer() -> None:
    t = _asked(OK, EVERYTHING, last_gap_ms=1000)
    t.give("P.", 1, 11, data=OK)
    t.until(5)
    t.take("P.", 11, 10)
    t.give("P.", 1 + len(OK), 21, data=b"HTTP/1.1 500 no")
    assert _statuses(t) == {200: 1}
    assert _differing(t) == (0, 0, 0)


@pytest.mark.parametrize(
    ("recorded", "came", "differs"),
    [
        (b"+OK alpha", b"+OK alpha", 0),
        (b"+OK alpha", b"+OK alphA", 1),
        (b"-OK alpha", b"+OK alpha", 1),
        (b"x" * 32 + b"a", b"x" * 32 + b"b", 0),  # behind what is compared
        (b"x" * 31 + b"a", b"x" * 31 + b"b", 1),
    ],
)
def test_as_many_first_bytes_as_told_are_compared(recorded: bytes, came: bytes, differs: int) -> None:
    t = _asked(recorded, EVERYTHING)
    t.give("P.", 1, 11, data=came)
    assert _differing(t) == (0, differs, differs)


def test_content_is_compared_up_to_what_both_have() -> None:
    t = _asked(b"+OK alpha", EVERYTHING)
    t.give(".", 1, 11, data=b"+OK")
    t.give("P.", 4, 11, data=b" other")
    assert _differing(t) == (0, 0, 0)
    t = _asked(b"+OK", EVERYTHING)
    t.give("P.", 1, 11, data=b"+OK and more")
    assert _differing(t) == (1, 0, 1)


def test_a_sample_shorter_than_the_comparison_shows_what_it_has() -> None:
    t = _asked(b"x" * 20, EVERYTHING, sample=8)
    t.give("P.", 1, 11, data=b"x" * 8 + b"y" * 12)
    assert _differing(t) == (0, 0, 0)
    t = _asked(b"x" * 20, EVERYTHING, sample=8)
    t.give("P.", 1, 11, data=b"x" * 7 + b"y" * 13)
    assert _differing(t) == (0, 1, 1)


@pytest.mark.parametrize(
    ("recorded", "given", "other"),
    [
        (b"HTTP/1.1 200 OK\r\nDate: 1", b"HTTP/1.1 200 OK\r\nDate: 2", False),
        (b"HTTP/1.1 200 OK\r\nDate: 1", b"HTTP/1.1 404 OK\r\nDate: 1", True),
        (b"HTTP/1.1 200 OK\r\nDate: 1", b"HTTP/1.0 200 OK\r\nDate: 1", True),
        (b"HTTP/1.1 200 OK\r\nDate: 1", b"HTTP/1.1 200 ok\r\nDate: 1", True),
        (b"HTTP/1.1 200 OK\r\nDate: 1", b"HTTP/1.1 200 OK still\r\nA:", True),
        (b"HTTP/1.1 200 \r\nDate: 1", b"HTTP/1.1 200 OK\r\nDate:", True),
        (b"HTTP/1.1 200 \r\nDate: 1", b"HTTP/1.1 200 \r\nDate: 2", False),
    ],
)
def test_of_http_the_status_line_is_compared_and_no_header(recorded: bytes, given: bytes, other: bool) -> None:
    t = _asked(recorded, EVERYTHING)
    t.give("P.", 1, 11, data=given)
    assert _differing(t)[1] == other


def test_a_reason_phrase_is_compared_as_far_as_the_sample_shows_it() -> None:
    t = _asked(b"HTTP/1.1 302 Moved Temporarily\r\n", sample=16)
    t.give("P.", 1, 11, data=b"HTTP/1.1 302 Moved Permanently\r\n")
    assert _differing(t) == (0, 0, 0)
    t = _asked(b"HTTP/1.1 302 Moved Temporarily\r\n", sample=16)
    t.give("P.", 1, 11, data=b"HTTP/1.1 302 Found Temporarily\r\n")
    assert _differing(t) == (0, 1, 1)


def test_without_being_told_only_http_is_compared() -> None:
    t = _asked(b"+OK alpha")
    t.give("P.", 1, 11, data=b"-ERR none")
    assert _differing(t) == (0, 0, 0)
    t = _asked(OK)
    t.give("P.", 1, 11, data=OK.replace(b"200", b"404"))
    assert _differing(t) == (0, 1, 1)


def test_what_is_ignored_may_differ() -> None:
    verify = Verify(32, True, (re.compile(rb"id=(\w+)"), re.compile(rb"\d\d:\d\d")))
    for came, differs in ((b"at 10:47 id=xyz +OK", 0), (b"at 10:47 ID=xyz +OK", 1), (b"at 10:47 id=xyz -OK", 1)):
        t = _asked(b"at 09:15 id=abc +OK", verify)
        t.give("P.", 1, 11, data=came)
        assert _differing(t) == (0, differs, differs)


def test_another_content_and_another_size_are_one_mismatch() -> None:
    t = _asked(b"+OK alpha", EVERYTHING)
    t.give("P.", 1, 11, data=b"-ERR no such name")
    assert _differing(t) == (1, 1, 1)
    assert t.count(Counter.MESSAGES_ANSWERED) == 1


def test_the_next_answer_is_judged_anew() -> None:
    t = _asked(b"+OK alpha", EVERYTHING, last_expect=3, last_head=b"+OK")
    t.give("P.", 1, 11, data=b"-ERR none")
    t.until(4)
    t.take("P.", 11, 10, at=3.5)
    t.give("P.", 10, 21, data=b"+OK")
    assert _differing(t) == (0, 1, 1)
    assert t.count(Counter.MESSAGES_ANSWERED) == 2


def test_a_segment_of_which_a_part_had_arrived_is_read_from_its_first_new_byte() -> None:
    """The server joins the end of what it had said with the next answer when it sends both again."""
    t = _asked(b"+OK alpha", EVERYTHING, last_expect=len(OK), last_head=OK)
    t.give("P.", 1, 11, data=b"+OK alpha")
    t.until(4)
    t.take("P.", 11, 10, at=3.5)
    t.give("P.", 4, 21, data=b" alpha" + OK.replace(b"200", b"503"))
    assert _statuses(t) == {503: 1}
    assert _differing(t) == (0, 1, 1)


def test_a_segment_whose_sample_had_all_arrived_tells_nothing() -> None:
    t = _asked(b"+OK alpha", EVERYTHING, sample=8, last_expect=len(OK), last_head=OK)
    t.give("P.", 1, 11, data=b"+OK alpha")
    t.until(4)
    t.take("P.", 11, 10, at=3.5)
    t.give("P.", 1, 21, data=b"+OK alpha" + OK.replace(b"200", b"503"))
    assert _statuses(t) == {}
    assert _differing(t) == (0, 0, 0)


def test_with_push_an_answer_of_another_content_is_a_mismatch() -> None:
    t = _asked(b"+OK alpha", EVERYTHING, push=True, last_gap_ms=1000)
    t.give("P.", 1, 11, data=b"-ERR none")
    assert _differing(t) == (0, 1, 1)
    assert t.count(Counter.MESSAGES_ANSWERED) == 1


def test_of_the_answers_to_pipelined_messages_the_first_is_read() -> None:
    t = Transcript([Message(10), Message(10), Message(10, expect=2 * len(OK), head=OK)], sample=64, verify=EVERYTHING)
    t.open().until(5)
    t.take("P.", 1, 10)
    t.take("P.", 11, 10)
    t.give("P.", 1, 21, data=OK)
    t.give("P.", 1 + len(OK), 21, data=OK.replace(b"200", b"503"))
    assert _statuses(t) == {200: 1}
    assert _differing(t) == (0, 0, 0)


def test_a_segment_that_came_out_of_order_is_not_read() -> None:
    t = _asked(OK, EVERYTHING)
    t.give("P.", 9, 11, data=OK[8:])
    t.give(".", 1, 11, data=OK[:8])
    assert _statuses(t) == {}
    assert t.count(Counter.MESSAGES_ANSWERED) == 1
    assert _differing(t) == (0, 0, 0)
