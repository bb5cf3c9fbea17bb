"""Which bytes of recorded answers are compared."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gryphon.sender.capture.recording import MESSAGE
from gryphon.sender.replay.script import ENTRY
from gryphon.sender.replay.verify import Verify, compared

LINE = b"HTTP/1.1 302 Moved Temporarily\r\n"
HTTP = LINE + b"Date: now\r\n"
REDIS = b"+OK 17 at 12:30"


def _compared(verify: Verify, *heads: bytes) -> tuple[list[bytes], list[bytes]]:
    """Of each head the bytes that are compared, and which of them may be anything ("?")."""
    messages, entries = np.zeros(len(heads), MESSAGE), np.zeros(len(heads), ENTRY)
    messages["head_length"] = [len(head) for head in heads]
    messages["head"][1:] = np.cumsum(messages["head_length"])[:-1]
    arena = np.frombuffer(b"".join(heads) or b"\0", np.uint8)
    mask = compared(arena, messages, entries, verify)
    shown = np.where(mask != 0, ord("?"), arena).astype(np.uint8).tobytes()
    spans = [(int(entry["head"]), int(entry["head"]) + int(entry["head_length"])) for entry in entries]
    return [arena[begin:end].tobytes() for begin, end in spans], [shown[begin:end] for begin, end in spans]


def test_by_default_what_is_seen_of_the_status_line_is_compared_and_nothing_else() -> None:
    assert _compared(Verify(16), REDIS, HTTP, b"")[0] == [b"", LINE[:16], b""]


def test_told_how_many_every_protocol_is_compared_and_http_by_its_status_line() -> None:
    assert _compared(Verify(5, True), REDIS, HTTP)[0] == [REDIS[:5], HTTP[:5]]
    assert _compared(Verify(1024, True), REDIS, HTTP)[0] == [REDIS, LINE]


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 200 \r\n",
        b"HTTP/1.1 200\r\n",
        b"HTTP/1.1 200 OK\n",
        b"HTTP/1.1 200 no\rend\r\n",
    ],
)
def test_a_status_line_is_compared_with_its_end_and_never_a_header(line: bytes) -> None:
    heads = (line + b"Date: now", line + b"\r\n", line, line[:-1])
    assert _compared(Verify(64), *heads)[0] == [line, line, line, line[:-1]]


def test_a_line_end_behind_an_answer_is_another_ones() -> None:
    assert _compared(Verify(64), b"HTTP/1.1 200 O", HTTP)[0] == [b"HTTP/1.1 200 O", LINE]


def test_a_status_line_that_was_not_recorded_whole_is_compared_as_it_is() -> None:
    assert _compared(Verify(64, True), HTTP[:11])[0] == [HTTP[:11]]
    assert _compared(Verify(64), HTTP[:11])[0] == [b""]


@pytest.mark.parametrize(
    ("patterns", "shown"),
    [
        ((rb"\d+:\d+",), b"+OK 17 at ?????"),
        ((rb"OK (\d+)",), b"+OK ?? at 12:30"),
        ((rb"\+(O)(K)",), b"+?? 17 at 12:30"),
        ((rb"(\d+):(\d+)|(zzz)", rb"OK (\d+)"), b"+OK ?? at ??:??"),
        ((rb"nothing",), REDIS),
    ],
)
def test_a_pattern_ignores_what_it_matches_or_its_groups_alone(patterns: tuple[bytes, ...], shown: bytes) -> None:
    verify = Verify(64, True, tuple(re.compile(pattern) for pattern in patterns))
    assert _compared(verify, REDIS, REDIS)[1] == [shown, shown]


def test_a_pattern_sees_no_more_than_what_is_compared_of_one_answer() -> None:
    verify = Verify(4, True, (re.compile(rb"OK.*", re.DOTALL),))
    assert _compared(verify, REDIS, b"-ERR")[1] == [b"+???", b"-ERR"]


def test_a_pattern_touches_the_reason_phrase_of_http_and_not_its_status() -> None:
    verify = Verify(64, True, (re.compile(rb".*", re.DOTALL),))
    assert _compared(verify, HTTP, REDIS)[1] == [LINE[:12] + b"?" * len(LINE[12:]), b"?" * len(REDIS)]
    verify = Verify(64, True, (re.compile(rb" \d+ ([^\r]*)"), re.compile(rb"Date: .*")))
    assert _compared(verify, HTTP)[1] == [LINE[:13] + b"?" * len(b"Moved Temporarily") + b"\r\n"]
