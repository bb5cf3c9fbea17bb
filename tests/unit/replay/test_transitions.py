"""The table of states: RFC 9293's client half, whole and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from gryphon.sender.replay.rows import new_users
from gryphon.sender.replay.transitions import TRANSITIONS, Event, State, is_open, move

TABLE = {(state, event): following for state, event, following, _ in TRANSITIONS}

RFC_9293 = {
    (State.IDLE, Event.OPEN): State.SYN_SENT,
    (State.SYN_SENT, Event.HANDSHAKE): State.ESTABLISHED,
    (State.ESTABLISHED, Event.CLOSE): State.FIN_WAIT_1,
    (State.ESTABLISHED, Event.PEER_FIN): State.CLOSE_WAIT,
    (State.FIN_WAIT_1, Event.FIN_ACKED): State.FIN_WAIT_2,
    (State.FIN_WAIT_1, Event.PEER_FIN): State.CLOSING,
    (State.FIN_WAIT_2, Event.PEER_FIN): State.TIME_WAIT,
    (State.CLOSING, Event.FIN_ACKED): State.TIME_WAIT,
    (State.CLOSE_WAIT, Event.CLOSE): State.LAST_ACK,
    (State.LAST_ACK, Event.FIN_ACKED): State.CLOSED,
}
"""Figure 5 without the passive open and without the simultaneous open."""


@pytest.mark.parametrize(("state", "event"), RFC_9293)
def test_every_transition_of_the_clients_half_is_there(state: State, event: Event) -> None:
    assert TABLE[state, event] == RFC_9293[state, event]


def test_beside_them_only_ends_and_returns_are_there() -> None:
    for (state, event), following in TABLE.items():
        if (state, event) not in RFC_9293:
            assert event in (Event.END, Event.OPEN)
            assert following == (State.CLOSED if event == Event.END else State.SYN_SENT)


def test_no_state_knows_an_event_twice() -> None:
    assert len(TABLE) == len(TRANSITIONS)


def test_every_state_is_reached() -> None:
    reached = {State.IDLE}
    for _ in State:
        reached |= {following for (state, _), following in TABLE.items() if state in reached}
    assert reached == set(State)


def test_every_state_that_lasts_can_end() -> None:
    assert (State.CLOSE_WAIT, Event.END) not in TABLE
    for state in set(State) - {State.IDLE, State.CLOSE_WAIT, State.CLOSED}:
        assert TABLE[state, Event.END] == State.CLOSED


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_move_follows_the_table_and_an_unknown_event_leaves_the_state(state: State, event: Event) -> None:
    user = new_users(1)[0]
    user.state = state
    inner_move(user, event)
    assert user.state == TABLE.get((state, event), state)


def inner_move(user: np.record, event: Event) -> None:
    """``move`` as plain Python: the compiled one is tested by every transcript."""
    getattr(move, "py_func", move)(user, event)


def test_a_user_is_open_from_its_syn_to_its_end() -> None:
    user = new_users(1)[0]
    opened = set()
    for state in State:
        user.state = state
        if getattr(is_open, "py_func", is_open)(user):
            opened.add(state)
    assert opened == set(State) - {State.IDLE, State.CLOSED, State.TIME_WAIT}


def test_every_transition_cites_its_section() -> None:
    for *_, sentence in TRANSITIONS:
        assert "(3." in sentence
        assert sentence.endswith(".")
