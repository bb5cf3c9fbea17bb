"""Pipelined requests: their answers count for the waits they belong to, however the server joins them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peer import make_script
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.script import Script


def _sizes(t: Transcript) -> list[int]:
    return [int(packet["length"]) for _, packet in t.seen if packet["length"]]


def _echoes(last_expect: int = 30) -> Transcript:
    """Three pipelined messages, a wait for one answer of 10 bytes, two more, and the end that waits for the rest."""
    messages = [Message(5), Message(5, gap_ms=1), Message(5, gap_ms=1, expect=10), Message(5, gap_ms=1)]
    return Transcript(messages, last_expect=last_expect, last_gap_ms=5).open()


def test_an_answer_that_comes_with_a_later_one_counts_for_the_next_wait() -> None:
    t = _echoes()
    t.until(4)
    assert t.count(Counter.MESSAGES_SENT) == 2
    t.give("P.", 1, 11, 20)
    t.until(7)
    assert t.count(Counter.MESSAGES_SENT) == 4
    t.give("P.", 21, 21, 20)
    t.until(7.1)
    assert (t.count(Counter.COMPLETED), t.count(Counter.MISMATCHED), t.count(Counter.MESSAGES_ANSWERED)) == (1, 0, 2)


def test_answers_that_all_came_before_the_wait_end_it_at_once() -> None:
    t = _echoes(last_expect=10)
    t.until(4)
    t.give("P.", 1, 11, 20)
    t.until(12)
    assert _sizes(t) == [5, 5, 5, 5]
    t.drop_acknowledgements()
    assert t.seen[-1][0] == pytest.approx(11, abs=1)  # the FIN
    assert (t.count(Counter.COMPLETED), t.count(Counter.MISMATCHED), t.count(Counter.PUSHED)) == (1, 0, 0)


def test_more_than_all_answers_of_a_stretch_is_one_mismatch() -> None:
    t = _echoes()
    t.until(4)
    t.give("P.", 1, 11, 20)
    t.until(7)
    t.give("P.", 21, 21, 21)
    t.until(8)
    assert (t.count(Counter.COMPLETED), t.count(Counter.MISMATCHED), t.count(Counter.MESSAGES_ANSWERED)) == (1, 1, 2)


def test_less_than_all_answers_of_a_stretch_is_one_mismatch() -> None:
    t = _echoes()
    t.until(4)
    t.give("P.", 1, 11, 20)
    t.until(7)
    t.give("P.", 21, 21, 19)
    t.until(2100)
    assert (t.count(Counter.COMPLETED), t.count(Counter.MISMATCHED), t.count(Counter.MESSAGES_ANSWERED)) == (1, 1, 2)


def test_a_server_that_answers_several_messages_one_by_one_may_pause_between_them() -> None:
    """What is within a flight and has PSH is an answer, not all of them."""
    t = Transcript([Message(5), Message(5), Message(5, expect=20)]).open()
    t.until(5)
    t.give("P.", 1, 11, 10)
    t.until(1500)
    assert t.count(Counter.MESSAGES_SENT) == 2
    t.give("P.", 11, 11, 10)
    t.until(1502)
    assert (t.count(Counter.MESSAGES_SENT), t.count(Counter.MISMATCHED)) == (3, 0)


def test_silence_ends_no_wait_while_one_of_its_messages_is_lost() -> None:
    """The server has the first and has answered it; the second reaches it with a late retransmission."""
    t = Transcript([Message(5), Message(5), Message(5, expect=20)], timeout_s=30.0).open()
    t.until(5)
    t.give("P.", 1, 6, 10)
    t.until(9000)
    assert t.count(Counter.MESSAGES_SENT) == 2
    t.give("P.", 11, 11, 10)
    t.until(9002)
    assert (t.count(Counter.MESSAGES_SENT), t.count(Counter.MISMATCHED)) == (3, 0)


def test_a_shorter_answer_that_came_before_the_wait_ends_it_after_the_silence() -> None:
    """A request, and a one-way message that left before its answer: nothing else will come."""
    t = Transcript([Message(5), Message(5, gap_ms=10), Message(5, expect=20)], timeout_s=30.0).open()
    t.until(5)
    t.give("P.", 1, 6, 15)
    t.until(13)
    t.give(".", 16, 11)
    t.until(2100)
    assert (t.count(Counter.MESSAGES_SENT), t.count(Counter.MISMATCHED), t.failures()) == (3, 1, {})


def test_a_page_that_has_grown_shifts_no_later_answer_of_its_session() -> None:
    """Strict requests and answers: every one is compared alone."""
    t = Transcript([Message(5), *(Message(5, gap_ms=5, expect=100) for _ in range(3))], last_expect=100).open()
    seq = 1
    for number, size in enumerate([100, 150, 100, 100]):
        while t.count(Counter.MESSAGES_SENT) == number:
            t.until(t.now_ms + 1)
        t.give("P.", seq, 6 + 5 * number, size)
        seq += size
    t.until(t.now_ms + 1)
    assert (t.count(Counter.COMPLETED), t.count(Counter.MISMATCHED), t.count(Counter.MESSAGES_ANSWERED)) == (1, 1, 4)


def test_what_a_stretch_had_too_much_does_not_outlast_a_recorded_pause() -> None:
    t = Transcript([Message(5), Message(5), Message(5, gap_ms=250, expect=20)], last_expect=100).open()
    t.until(4)
    t.give("P.", 1, 11, 25)
    t.until(260)
    t.give("P.", 26, 16, 100)
    t.until(261)
    assert (t.count(Counter.COMPLETED), t.count(Counter.MISMATCHED), t.count(Counter.MESSAGES_ANSWERED)) == (1, 1, 2)


def _marks(script: Script) -> list[str]:
    """Of each entry: f(resh), p(ipelined), e(arly)."""
    rows = script.entries[["fresh", "pipelined", "early"]].tolist()
    return ["".join(letter for letter, flag in zip("fpe", row, strict=True) if flag) for row in rows]


def test_strict_requests_are_no_stretch() -> None:
    script = make_script([Message(1, expect=7), Message(1, expect=9), Message(1, expect=9)], last_expect=9)
    assert _marks(script) == ["f"] * 4


def test_a_stretch_lasts_from_several_messages_to_a_pause_or_the_end() -> None:
    wait, none, pause = Message(1, expect=9), Message(1), Message(1, gap_ms=200, expect=9)
    script = make_script([none, wait, none, wait, wait, none, pause, wait, none, wait], last_expect=9)
    assert _marks(script) == ["e", "f", "e", "pe", "pe", "e", "fp", "f", "e", "pe", "fp"]


def test_a_message_that_overtakes_answers_under_way_begins_a_stretch_whatever_its_pause() -> None:
    over, slow = Message(1, expect=9, overlaps=True), Message(1, gap_ms=3000, overlaps=True)
    assert _marks(make_script([Message(1), over, slow], last_expect=9)) == ["e", "pe", "e", "fp"]


def test_each_session_begins_without_a_stretch() -> None:
    script = make_script([Message(1), Message(1), Message(1, expect=9)], last_expect=9, sessions=2)
    assert _marks(script) == ["e", "e", "pe", "fp"] * 2


def test_a_run_that_pushes_counts_each_answer_anew() -> None:
    recorded = make_script([Message(1), Message(1), Message(1, expect=9)], last_expect=9)
    assert "pe" in _marks(recorded)
    script = make_script([Message(1), Message(1), Message(1, expect=9)], last_expect=9, push=True)
    assert _marks(script) == ["", "", "f", "f"]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_answers_joined_split_early_or_late_are_all_counted_and_none_is_waited_for_twice(data: st.DataObject) -> None:
    """A recording with any waits that its server's answers allow, against a server that answers in its own rhythm."""
    draw = data.draw
    sizes = draw(st.lists(st.integers(1, 40), min_size=2, max_size=10))
    messages, answers, waited = [], 0, 0
    for number in range(len(sizes)):
        # a wait is for whole answers, or for any bytes where the recording shows that there were more
        answers = draw(st.integers(answers, number))
        overlaps = draw(st.booleans())
        upto = draw(st.integers(waited, max(waited, sum(sizes[:number])))) if overlaps else sum(sizes[:answers])
        upto = max(upto, waited)
        gap_ms = draw(st.sampled_from([0.0, 1.0, 20.0, 150.0]))
        messages.append(Message(3, gap_ms, upto - waited, overlaps=overlaps))
        waited = upto
    t = Transcript(messages, last_expect=sum(sizes) - waited, timeout_s=100.0).open()
    given_bytes, begun = 0, False
    while t.count(Counter.COMPLETED) == 0:
        assert t.now_ms < 60_000, "it never ends"
        received = t.count(Counter.MESSAGES_SENT)
        left = sum(sizes[:received]) - given_bytes
        part = draw(st.sampled_from([left, left // 2] if begun else [left, left // 2, 0]))
        if part:
            t.give("P.", 1 + given_bytes, 1 + 3 * received, part)
            given_bytes += part
            begun = part < left
        t.until(t.now_ms + draw(st.sampled_from([0.3, 3.0, 30.0])))
    assert given_bytes == sum(sizes)
    assert (t.count(Counter.MISMATCHED), t.count(Counter.PUSHED)) == (0, 0)
    assert t.count(Counter.MESSAGES_ANSWERED) == sum(message.expect > 0 for message in messages) + (waited < sum(sizes))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            Message,
            st.just(1),
            st.sampled_from([1.0, 199.0, 200.0, 1000.0, 1001.0]),
            st.sampled_from([0, 0, 9]),
            overlaps=st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 9),
)
def test_every_entry_is_marked_as_a_walk_over_the_session_says(messages: list[Message], last_expect: int) -> None:
    """The reference keeps the messages since the count began anew."""
    expected: list[str] = []
    waiting: list[int] = []  # entries whose early bytes the next wait counts
    pipelined, messages_since = False, 0
    for number, message in enumerate([*messages, Message(0, 1.0, last_expect)]):
        last = number == len(messages)
        waits = message.expect > 0
        quiet = not message.overlaps and (message.gap_ms > 1000 or (waits and message.gap_ms >= 200))
        pipelined |= waits and (messages_since > 1 or message.overlaps)
        fresh = quiet or (waits and (last or not pipelined))
        if waits:
            for early in waiting:
                expected[early] += "e"
        if waits or fresh:
            waiting = []
        if not fresh:
            waiting.append(number)
        expected.append("f" * fresh + "p" * (waits and pipelined))
        pipelined &= not quiet
        messages_since = 1 if fresh else messages_since + 1
    assert _marks(make_script(messages, last_expect=last_expect)) == expected
