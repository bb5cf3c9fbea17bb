"""Whole runs against a server of any mood: users that loop, hold, push and carry fields keep every rule, and end."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moody import SAMPLE, Moody
from peer import Message, make_engine, make_script

from gryphon.sender.replay.fields import FIELD, Fields, Kind, scratch_bytes, slots
from gryphon.sender.replay.measures import FAILURES, SESSION_FAILURES, Counter
from gryphon.sender.replay.script import Script
from gryphon.sender.replay.wanted import Purpose, Want, compile_wanted

USERS = 3
MOVES = ["answer"] * 12 + ["ack", "ack", "part", "close", "finish", "again", "ahead", "odd", "old", "refuse"]
ACTION = st.tuples(st.sampled_from(MOVES), st.integers(0, USERS - 1), st.integers(0, (1 << 32) - 1))
TALKS = st.sampled_from(
    [
        [Message(40), Message(4000, 5, expect=300), Message(60, 2, expect=50)],
        [Message(40), Message(60, 1), Message(9000, 20, expect=20)],
        [Message(100, 5, expect=80), Message(60, 2000, expect=10)],
    ]
)
FIELDS = [  # start, width, kind, slot
    (2, 8, Kind.RANDOM, 0),
    (12, 6, Kind.COUNTER, 0),
    (30, 6, Kind.EXTRACT, 0),
    (60, 6, Kind.EXTRACT, 1),
    (85, 70, Kind.EXTRACT, 0),
    (1480, 40, Kind.EXTRACT, 1),  # across the first segment's end
    (4070, 9, Kind.USER, 0),
]
WANTED = compile_wanted(
    [
        Want(Purpose.VALUE, b"=", SAMPLE, until=b";", most=5, slot=0),
        Want(Purpose.VALUE, b";", SAMPLE, until=b" ", most=12, slot=1, message=1),
        Want(Purpose.TIME, b"t", SAMPLE),
    ]
)


def with_fields(plain: Script, batch: int) -> Script:
    """The script with every user's own bytes, as far as its stream goes."""
    size = len(plain.payload)
    chosen = [row for row in FIELDS if row[0] + row[1] <= size]
    rows = np.zeros(len(chosen), FIELD)
    for place, name in enumerate(("start", "width", "kind", "slot")):
        rows[name] = [row[place] for row in chosen]
    rows["text_count"], rows["pad"] = 26, 46
    texts = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8).copy()
    fields = Fields(rows=rows, texts=texts, slots=slots([5, 12]), scratch=size)
    plain.sessions["fields"] = len(rows)
    payload = np.concatenate([plain.payload, np.zeros(scratch_bytes(batch, 1500), np.uint8)])
    return Script(plain.sessions, plain.entries, payload, fields)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    TALKS,
    st.lists(ACTION, min_size=10, max_size=60),
    st.integers(0, 4),
    st.sampled_from([None, 0.0, 2.0]),
    st.booleans(),
    st.sampled_from([(1, None), (3, None), (2, 3.0), (0, 0.5), (0, 4.0)]),
    st.sampled_from([0, 3, 14]),
    st.sampled_from([18, 64]),
)
def test_no_server_makes_a_user_break_a_rule_and_every_run_ends_and_adds_up(
    talk: list[Message],
    actions: list[tuple[str, int, int]],
    end: int,
    hold_s: float | None,
    push: bool,
    times: tuple[int, float | None],
    scale: int,
    batch: int,
) -> None:
    script = with_fields(make_script(talk, last_expect=20, end=end, hold_s=hold_s, push=push), batch)
    loops, duration_s = times
    engine = make_engine(
        script, users=USERS, batch=batch, loops=loops, duration_s=duration_s, timeout_s=5.0, seed=3, wanted=WANTED
    )
    server = Moody(engine, script, scale, duration_s)
    for kind, number, detail in actions:
        server.act(kind, number, detail)
    server.wait(600 * 10**9)
    assert engine.finished, "a user never ends"
    adds_up(server)


def adds_up(server: Moody) -> None:
    """Nobody is lost between the counters, and they count what was seen."""
    count = server.count
    failed = sum(count(counter) for counter in FAILURES.values())
    unfinished = count(Counter.STARTED) - count(Counter.COMPLETED) - failed
    assert 0 <= unfinished <= count(Counter.SESSIONS_CUT)
    sessions_failed = sum(count(counter) for counter in SESSION_FAILURES.values())
    ended = count(Counter.SESSIONS_COMPLETED) + sessions_failed + count(Counter.SESSIONS_CUT)
    assert count(Counter.SESSIONS_STARTED) == ended == len(server.all)
    assert count(Counter.STARTED) == len(server.current)
    assert count(Counter.CONNECTED) <= count(Counter.SESSIONS_CONNECTED) <= sum(c.opened for c in server.all)
    assert count(Counter.ACTIVE) == 0
    assert 0 <= count(Counter.TIMERS) <= USERS
    assert count(Counter.PEAK_ACTIVE) <= USERS
    assert count(Counter.PACKETS_SENT) == server.packets
    assert count(Counter.RETRANSMITTED) == server.again
    assert count(Counter.RESPONSES) + count(Counter.STRAY) == server.given
    assert count(Counter.BYTES_SENT) == sum(len(c.stream) for c in server.all)
    assert count(Counter.BYTES_RECEIVED) <= sum(c.received - 1 for c in server.all)
    assert count(Counter.MESSAGES_ANSWERED) <= count(Counter.AWAITED) <= count(Counter.MESSAGES_SENT)
    assert count(Counter.MISMATCHED) <= count(Counter.OTHER_SIZE) + count(Counter.OTHER_CONTENT)
