"""The tape keeps the last packets of the users it watches, both ways, and finds the sessions that failed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from gryphon.controller.record import RECORD

sys.path.append(str(Path(__file__).parents[1] / "replay"))

from peer import GENERATION, MS, Message, make_engine, make_script

from gryphon.sender.trace.tape import Tape, Traced

SYN, RST, ACK = 2, 4, 16


def refusal(packet: Any, now: int) -> Any:
    """The server's RST to a SYN."""
    record = np.zeros(1, RECORD)
    for name, value in {
        "time_ns": now,
        "address_hi": packet["source_hi"],
        "address_lo": packet["source_lo"],
        "port": packet["port"],
        "ack": (int(packet["seq"]) + 1) & 0xFFFFFFFF,
        "flags": RST | ACK,
        "generation": GENERATION,
        "version": 4,
    }.items():
        record[name] = value
    return record


def refused(users: int, most: int = 9, chosen: tuple[int, ...] = (), room: int = 64, **plan: Any) -> list[Traced]:
    """What is found of users that the server refuses, one after the other."""
    script = make_script([Message(10)])
    engine = make_engine(script, users=users, rate=1000.0, **plan)
    tape = Tape(engine, script, most, chosen, room)
    now = MS
    while not engine.finished:
        batches = [engine.step(now).copy()]
        while batches:
            packets = batches.pop()
            tape.sent(now, packets)
            now += 1000
            for packet in packets[packets["flags"] == SYN]:
                record = refusal(packet, now)
                tape.heard(record)
                batches.append(engine.step(now, record).copy())
        tape.look()
        now += MS
    return tape.finish()


def test_each_failed_session_has_its_packets_of_both_sides_and_its_reason() -> None:
    found = refused(3)
    assert [(each.user, each.fate, each.loop) for each in found] == [
        (0, "refused", 0),
        (1, "refused", 0),
        (2, "refused", 0),
    ]
    for each in found:
        assert [(segment.from_user, segment.flags) for segment in each.segments] == [(True, SYN), (False, RST | ACK)]
        assert each.segments[1].ack == each.segments[0].seq + 1


def test_no_more_are_found_than_were_asked_for() -> None:
    assert [each.user for each in refused(5, most=2)] == [0, 1]


def test_chosen_users_are_known_by_their_number_in_the_run() -> None:
    found = refused(9, chosen=(1, 2, 5), share=1, shares=2)
    assert [(each.user, each.fate) for each in found] == [(1, "chosen"), (5, "chosen")]


def test_what_is_older_than_its_room_is_forgotten() -> None:
    users = [each.user for each in refused(20, chosen=tuple(range(20)), room=8)]
    assert users == list(range(12, 20))
