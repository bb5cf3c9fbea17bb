"""One transcript for each row of the table of states: it takes the user there, and through that row.

A state that lasts no time cannot be seen from outside. Plain Python can: there, every look into the table is noted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transcript import Message, Transcript

from gryphon.sender.replay import transitions
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.script import End
from gryphon.sender.replay.transitions import TRANSITIONS, Event, State

HERE = Path(__file__).parent
Row = tuple[State, Event]
TRANSCRIPTS: dict[Row, Callable[[], Transcript]] = {}
"""Row of the table to the transcript that takes it last."""


def takes(state: State, event: Event) -> Callable[[Callable[[], Transcript]], Callable[[], Transcript]]:
    """Name the row that a transcript takes."""

    def note(transcript: Callable[[], Transcript]) -> Callable[[], Transcript]:
        TRANSCRIPTS[state, event] = transcript
        return transcript

    return note


def _asked(**plan: Any) -> Transcript:
    """ESTABLISHED: the only message has left and awaits 50 bytes; the user will close 3 ms after them."""
    t = Transcript([Message(100)], last_expect=50, last_gap_ms=3, **plan).open()
    t.until(2.5)
    t.take("P.", 1, 100, ack=1)
    return t


def _closing_first(**plan: Any) -> Transcript:
    """The answer has come and the user has closed: its FIN is on its way."""
    t = _asked(**plan)
    t.until(4)
    t.give("P.", 1, 101, 50)
    t.until(8)
    t.take("F.", 101, ack=51, at=7)
    return t


@takes(State.IDLE, Event.OPEN)
def the_scheduled_start_sends_a_syn() -> Transcript:
    t = Transcript([Message(100)])
    t.until(0)
    t.take("S", 0, at=0)
    return t


@takes(State.SYN_SENT, Event.HANDSHAKE)
def a_syn_ack_is_acknowledged() -> Transcript:
    return Transcript([Message(100)]).open()


@takes(State.ESTABLISHED, Event.CLOSE)
def the_user_closes_its_gap_after_the_answer() -> Transcript:
    return _closing_first()


@takes(State.ESTABLISHED, Event.PEER_FIN)
def the_servers_fin_is_acknowledged_with_ours_in_the_same_instant() -> Transcript:
    t = _asked()
    t.until(4)
    t.give("FP.", 1, 101, 50)
    t.take("F.", 101, ack=52, at=4)
    return t


@takes(State.CLOSE_WAIT, Event.CLOSE)
def a_message_that_no_window_let_go_leaves_before_the_fin_that_follows_the_servers() -> Transcript:
    t = Transcript([Message(3000)], last_expect=50).open(window=1000)
    t.until(2.5)
    t.take(".", 1, 1000)
    t.give("F.", 1, 1, window=0)
    t.take(".", 1001, ack=2)
    t.give(".", 2, 1001, window=60000)
    t.drop_acknowledgements()
    t.take(".", 1001, 1448)
    t.take("P.", 2449, 552)
    t.take("F.", 3001, ack=2)
    return t


@takes(State.FIN_WAIT_1, Event.FIN_ACKED)
def the_server_acknowledges_our_fin_and_goes_on() -> Transcript:
    t = _closing_first()
    t.give(".", 51, 102)
    t.quiet(20)
    return t


@takes(State.FIN_WAIT_1, Event.PEER_FIN)
def the_servers_fin_crosses_ours() -> Transcript:
    t = _closing_first()
    t.give("F.", 51, 101)
    t.take(".", 102, ack=52)
    return t


@takes(State.FIN_WAIT_2, Event.PEER_FIN)
def the_server_closes_later() -> Transcript:
    t = the_server_acknowledges_our_fin_and_goes_on()
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.balanced()
    return t


@takes(State.CLOSING, Event.FIN_ACKED)
def the_crossing_fin_is_acknowledged() -> Transcript:
    t = the_servers_fin_crosses_ours()
    t.give(".", 52, 102)
    t.quiet(50)
    t.balanced()
    return t


@takes(State.LAST_ACK, Event.FIN_ACKED)
def the_server_acknowledges_the_fin_that_followed_its_own() -> Transcript:
    t = the_servers_fin_is_acknowledged_with_ours_in_the_same_instant()
    t.give(".", 52, 102)
    t.quiet(50)
    t.balanced()
    return t


@takes(State.TIME_WAIT, Event.OPEN)
def a_looping_user_leaves_time_wait_at_once_by_a_syn_from_another_port() -> Transcript:
    t = _closing_first(loops=2)
    first = int(t._user["port"]), int(t._user["source_lo"])
    t.give("F.", 51, 102)
    t.take(".", 102, ack=52)
    t.follow()
    t.take("S", 0, at=8)
    assert first != (int(t._user["port"]), int(t._user["source_lo"]))
    return t


@takes(State.CLOSED, Event.OPEN)
def a_looping_user_comes_back_a_second_after_a_failure() -> Transcript:
    t = Transcript([Message(100)], loops=2)
    t.until(1)
    t.take("S", 0)
    t.give("R.", 0, 1)
    t.quiet(1000.8)
    t.until(1002)
    t.follow()
    t.take("S", 0, at=1001)
    return t


@takes(State.SYN_SENT, Event.END)
def a_syn_is_refused() -> Transcript:
    t = the_scheduled_start_sends_a_syn()
    t.give("R.", 0, 1)
    assert t.failures() == {"refused": 1}
    return t


@takes(State.ESTABLISHED, Event.END)
def an_answer_never_comes() -> Transcript:
    t = _asked(timeout_s=0.2)
    t.give(".", 1, 101)
    t.until(300)
    t.take("R.", 101, at=202.5)
    assert t.failures() == {"timeout": 1}
    return t


@takes(State.FIN_WAIT_1, Event.END)
def our_fin_is_answered_by_a_reset() -> Transcript:
    t = _closing_first()
    t.give("R.", 51, 101)
    return t


@takes(State.FIN_WAIT_2, Event.END)
def the_server_never_closes() -> Transcript:
    t = _closing_first(timeout_s=0.2)
    t.give(".", 51, 102)
    t.until(300)
    t.take("R.", 102, at=207)
    assert t.count(Counter.COMPLETED) == 1
    return t


@takes(State.CLOSING, Event.END)
def a_reset_comes_after_fins_that_crossed() -> Transcript:
    t = the_servers_fin_crosses_ours()
    t.give("R", 52, 0)
    return t


@takes(State.TIME_WAIT, Event.END)
def a_reset_ends_time_wait() -> Transcript:
    t = the_server_closes_later()
    t.give("R", 52, 0)
    t.give("F.", 51, 102)
    t.take("R", 102)
    return t


@takes(State.LAST_ACK, Event.END)
def the_recorded_reset_follows_the_servers_fin() -> Transcript:
    t = Transcript([Message(100)], end=End.SERVER_RST).open()
    t.until(2.5)
    t.take("P.", 1, 100)
    t.give("F.", 1, 101)
    t.take("F.", 101, ack=2)
    t.give("R.", 2, 101)
    assert t.failures() == {}
    return t


@pytest.mark.parametrize("row", TRANSITIONS, ids=[f"{state.name}-{event.name}" for state, event, *_ in TRANSITIONS])
def test_a_transcript_takes_the_user_through_this_row(row: tuple[State, Event, State, str]) -> None:
    state, event, following, _ = row
    t = TRANSCRIPTS[state, event]()
    t.quiet()
    assert t.state == (State.LAST_ACK if following == State.CLOSE_WAIT else following)


def test_no_transcript_is_about_a_row_that_is_not_there() -> None:
    assert set(TRANSCRIPTS) == {(state, event) for state, event, *_ in TRANSITIONS}


class Noting:
    """The table, as ``transitions.move`` looks into it; every look is noted."""

    def __init__(self, table: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        self.table = table
        self.looks: list[Row] = []

    def __getitem__(self, row: tuple[int, int]) -> Any:
        self.looks.append((State(int(row[0])), Event(int(row[1]))))
        return self.table[row]


def tell_rows() -> None:
    """Print a line for each transcript: the row it is about, and the rows that it takes. Plain Python only."""
    table = transitions._NEXT
    for (state, event), transcript in TRANSCRIPTS.items():
        transitions._NEXT = noting = Noting(table)  # type: ignore[assignment]
        transcript()
        print(state.name, event.name, *(f"{one.name}-{other.name}" for one, other in noting.looks))


def test_plain_python_sees_every_transcript_take_its_row_and_no_state_get_an_event_that_it_does_not_know() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from test_states import tell_rows; tell_rows()"],
        cwd=HERE,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    lines = [line.split() for line in told.stdout.splitlines()]
    known = {f"{state.name}-{event.name}" for state, event, *_ in TRANSITIONS}
    assert len(lines) == len(TRANSITIONS)
    for state, event, *rows in lines:
        assert f"{state}-{event}" in rows
        assert set(rows) <= known
