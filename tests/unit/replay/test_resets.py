"""Resets from the server, in every state (RFC 9293, 3.10.7.4, second; RFC 5961, 3.2)."""

from __future__ import annotations

import pytest
from transcript import Message, Transcript

from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.script import End


def _in_state(state: str) -> tuple[Transcript, int, int]:
    """A user in the state, its next expected sequence number, and what it has sent."""
    t = Transcript([Message(100)], last_expect=50, last_gap_ms=3).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    if state == "ESTABLISHED":
        return t, 1, 101
    if state == "LAST_ACK":
        t.give("F.", 1, 101)
        t.take("F.", 101)
        return t, 2, 102
    t.until(4)
    t.give("P.", 1, 101, 50)
    t.until(10)
    t.take("F.", 101)
    if state == "FIN_WAIT_2":
        t.give(".", 51, 102)
    if state == "CLOSING":
        t.give("F.", 51, 101)
        t.take(".", 102)
        return t, 52, 102
    return t, 51, 102


STATES = ["ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "LAST_ACK"]
EXPECTED = {
    "ESTABLISHED": {"reset": 1},
    "FIN_WAIT_1": {},
    "FIN_WAIT_2": {},
    "CLOSING": {},
    "LAST_ACK": {"early_close": 1},
}


@pytest.mark.parametrize("state", STATES)
def test_a_reset_exactly_at_the_next_number_ends_the_connection(state: str) -> None:
    t, following, sent = _in_state(state)
    t.give("R.", following, sent)
    t.quiet(300_000)
    assert t.failures() == EXPECTED[state]
    t.balanced()


@pytest.mark.parametrize("state", STATES)
def test_a_reset_without_an_acknowledgement_counts_too(state: str) -> None:
    t, following, _ = _in_state(state)
    t.give("R", following, 0)
    t.quiet(300_000)
    t.balanced()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("ahead", [1, 1000, 65535])
def test_a_reset_elsewhere_in_the_window_is_challenged(state: str, ahead: int) -> None:
    t, following, sent = _in_state(state)
    t.give("R.", following + ahead, sent)
    t.take(".", sent, ack=following)
    assert not t.engine.finished


@pytest.mark.parametrize("state", STATES)
def test_a_reset_before_the_window_is_ignored(state: str) -> None:
    t, following, sent = _in_state(state)
    t.give("R.", following - 1, sent)
    t.quiet()
    assert not t.engine.finished


def test_a_syn_on_an_open_connection_is_challenged() -> None:
    """RFC 5961, 4.2."""
    t, _, sent = _in_state("ESTABLISHED")
    t.give("S", 7_000_000, 0)
    t.take(".", sent, ack=1)
    assert not t.engine.finished


def test_a_reset_after_the_answers_leaves_the_user_completed() -> None:
    t = Transcript([Message(100)], last_expect=50, last_gap_ms=500).open()
    t.until(4)
    t.give("P.", 1, 101, 50)
    t.give("R.", 51, 101)
    assert t.count(Counter.COMPLETED) == 1
    assert t.failures() == {}
    t.balanced()


def test_the_recorded_servers_reset_completes_a_user_that_nobody_answers() -> None:
    """Every message was sent, no answer was recorded: the reset is the recorded end."""
    t = Transcript([Message(100)], end=End.SERVER_RST).open()
    t.until(4)
    t.take("P.", 1, 100)
    t.give("R.", 1, 101)
    assert t.count(Counter.COMPLETED) == 1
    assert t.failures() == {}
    t.balanced()


def test_an_icmp_error_on_an_open_connection_is_soft() -> None:
    """RFC 5927, 6."""
    t, _, _ = _in_state("ESTABLISHED")
    t.icmp(3, 1, 50)
    assert not t.engine.finished
    assert t.failures() == {}
