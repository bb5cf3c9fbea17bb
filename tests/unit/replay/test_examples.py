"""The first users that met each kind of trouble are remembered, with what a person needs to find them."""

from __future__ import annotations

from typing import Any

from peer import Message, Peer, make_engine, make_script, run
from transcript import Transcript

from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.examples import BEGINS, EACH, KINDS, OTHER_CONTENT, OTHER_SIZE
from gryphon.sender.replay.measures import FAILURES, Counter
from gryphon.sender.replay.verify import Verify


def _examples(engine: Engine, kind: int) -> list[Any]:
    rows = engine.examples[kind * EACH : (kind + 1) * EACH]
    return [row for row in rows if row["used"]]


def test_kinds_are_the_failures_in_the_order_of_their_counters_then_what_is_no_failure() -> None:
    first = Counter.FAILED_REFUSED
    assert [FAILURES[kind] - first for kind in KINDS[:OTHER_SIZE]] == list(range(len(FAILURES)))
    assert (KINDS[OTHER_SIZE], KINDS[OTHER_CONTENT]) == ("other_size", "other_content")


def test_the_first_five_of_a_kind_are_kept_in_the_order_of_time() -> None:
    script = make_script([Message(10), Message(10, expect=30)])
    engine = make_engine(script, users=20)
    run(engine, Peer(lambda *_: 20), script)
    assert engine.counters[Counter.OTHER_SIZE] == 20
    found = _examples(engine, OTHER_SIZE)
    assert [int(row["row"]) for row in found] == list(range(EACH))
    assert [int(row["time_us"]) for row in found] == sorted(int(row["time_us"]) for row in found)
    assert {(int(row["wanted"]), int(row["got"]), int(row["message"])) for row in found} == {(30, 20, 1)}
    assert engine.examples["used"].sum() == EACH


def test_every_failure_keeps_its_users_by_reason() -> None:
    t = Transcript([Message(10)], batch=64)
    t.until(0)
    t.take("S", 0)
    t.until(3)
    t.give("R.", 0, 1)
    (row,) = _examples(t.engine, KINDS.index("refused"))
    assert (int(row["row"]), int(row["loop"]), int(row["message"]), int(row["time_us"])) == (0, 0, 0, 3000)
    assert t.engine.examples["used"].sum() == 1


def test_an_example_of_another_content_shows_how_the_answer_began() -> None:
    messages = [Message(10), Message(10, expect=40, head=b"+OK")]
    t = Transcript(messages, sample=64, verify=Verify(64, True)).open()
    t.until(2.5)
    t.take("P.", 1, 10)
    came = b"-ERR a long story that nobody has room for"
    t.give(".", 1, 11, data=came)
    (row,) = _examples(t.engine, OTHER_CONTENT)
    assert row["begins"].tobytes() == came[:BEGINS]
    assert (int(row["seen"]), int(row["message"])) == (BEGINS, 1)


def test_an_answer_shorter_than_an_example_is_shown_as_it_is() -> None:
    messages = [Message(10), Message(10, expect=4, head=b"+OK!")]
    t = Transcript(messages, sample=64, verify=Verify(64, True)).open()
    t.until(2.5)
    t.take("P.", 1, 10)
    t.give("P.", 1, 11, data=b"-ERR")
    (row,) = _examples(t.engine, OTHER_CONTENT)
    assert row["begins"][: int(row["seen"])].tobytes() == b"-ERR"
