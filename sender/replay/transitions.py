"""The TCP states of a simulated user and every transition between them (RFC 9293, figure 5, a client's half).

This table is the only place that says which state follows which; ``move`` is the only code that changes a state.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from gryphon.sender.compiled import inner


class State(enum.IntEnum):
    """Connection states of RFC 9293, 3.3.2; IDLE is a user that has not started."""

    IDLE = 0
    SYN_SENT = 1
    ESTABLISHED = 2
    FIN_WAIT_1 = 3
    FIN_WAIT_2 = 4
    CLOSING = 5
    TIME_WAIT = 6
    CLOSE_WAIT = 7
    LAST_ACK = 8
    CLOSED = 9


class Event(enum.IntEnum):
    """What makes a user change its state."""

    OPEN = 0  # its scheduled start has come
    HANDSHAKE = 1  # an acceptable SYN-ACK
    CLOSE = 2  # its script ends with a FIN
    FIN_ACKED = 3  # the server acknowledged that FIN
    PEER_FIN = 4  # the server's FIN, in order
    END = 5  # a reset of either side, an error, or a time-out


TRANSITIONS: tuple[tuple[State, Event, State, str], ...] = (
    (State.IDLE, Event.OPEN, State.SYN_SENT, "An active open sends a SYN (3.10.1)."),
    (
        State.SYN_SENT,
        Event.HANDSHAKE,
        State.ESTABLISHED,
        "A SYN-ACK of our SYN opens the connection (3.10.7.3).",
    ),
    (State.ESTABLISHED, Event.CLOSE, State.FIN_WAIT_1, "The user closes first: our FIN is queued (3.10.4)."),
    (State.ESTABLISHED, Event.PEER_FIN, State.CLOSE_WAIT, "The server closes first (3.10.7.4, eighth)."),
    (State.CLOSE_WAIT, Event.CLOSE, State.LAST_ACK, "The user closes after the server did (3.10.4)."),
    (
        State.FIN_WAIT_1,
        Event.FIN_ACKED,
        State.FIN_WAIT_2,
        "The server has our FIN, its own is to come (3.10.7.4).",
    ),
    (State.FIN_WAIT_1, Event.PEER_FIN, State.CLOSING, "Both closed at the same time (3.6, case 3)."),
    (
        State.FIN_WAIT_2,
        Event.PEER_FIN,
        State.TIME_WAIT,
        "The server closes too; its FIN may come again (3.10.7.4).",
    ),
    (State.CLOSING, Event.FIN_ACKED, State.TIME_WAIT, "The crossing FIN is acknowledged (3.10.7.4, fifth)."),
    (
        State.LAST_ACK,
        Event.FIN_ACKED,
        State.CLOSED,
        "The last acknowledgement ends the connection (3.10.7.4).",
    ),
    (
        State.TIME_WAIT,
        Event.OPEN,
        State.SYN_SENT,
        "A looping user comes back with a new connection (3.10.1).",
    ),
    (State.CLOSED, Event.OPEN, State.SYN_SENT, "A looping user comes back with a new connection (3.10.1)."),
    *(
        (
            state,
            Event.END,
            State.CLOSED,
            "A reset, an error or a time-out ends the connection (3.10.7, 3.8.3).",
        )
        for state in State
        if state not in (State.IDLE, State.CLOSE_WAIT, State.CLOSED)  # CLOSE_WAIT lasts no time
    ),
)
"""State, event, next state, and the sentence with its section of RFC 9293."""


def _table() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The transitions as a matrix; an event that a state does not know leaves it as it is."""
    table = np.tile(np.arange(len(State), dtype=np.uint8)[:, None], (1, len(Event)))
    for state, event, following, _ in TRANSITIONS:
        table[state, event] = following
    return table


_NEXT = _table()


@inner
def move(user: Any, event: int) -> None:
    """Change a user's state as the table says."""
    user.state = _NEXT[user.state, event]


@inner
def is_open(user: Any) -> bool:
    """Whether the user holds a connection, or asks for one."""
    return bool(user.state != State.IDLE and user.state != State.CLOSED and user.state != State.TIME_WAIT)
