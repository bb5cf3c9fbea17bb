"""Users that come back: with a new port, or a higher sequence number; until their loops or the run's time are over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from peer import MS, Message, Peer, make_engine, make_script, run
from transcript import Transcript

from gryphon.sender.replay.addresses import BLOCK, PORTS
from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.measures import FAILURES, SESSION_FAILURES, Counter

FIN, SYN, RST = 1, 2, 4
TALK = [Message(100), Message(50, 2, expect=300, answer_ms=2)]
ANSWERS = {100: 300, 150: 20}


def answer(received: int, length: int) -> int:
    return ANSWERS.get(received, 0)


def looped(users: int = 3, **plan: Any) -> tuple[Engine, Peer, list[Any]]:
    """A run of looping users against a server that answers."""
    script = make_script(TALK, last_expect=20)
    engine, peer = make_engine(script, users=users, **plan), Peer(answer)
    return engine, peer, run(engine, peer, script)


def syns(log: list[Any]) -> list[tuple[int, Any]]:
    return [(now, packet) for now, packet in log if packet["flags"] & SYN]


def one_place(users: int) -> Any:
    """A pool with exactly one address and port for each user."""
    blocks = np.zeros(1, BLOCK)
    blocks[0] = (0, 0xFFFF_0A11_0F01, 1, 0)
    assert users == PORTS
    return blocks


def test_every_user_replays_its_session_so_often() -> None:
    engine, peer, log = looped(loops=4)
    count = engine.counters
    assert engine.finished
    assert (count[Counter.STARTED], count[Counter.CONNECTED], count[Counter.COMPLETED]) == (3, 3, 3)
    assert count[Counter.SESSIONS_STARTED] == count[Counter.SESSIONS_CONNECTED] == 12
    assert count[Counter.SESSIONS_COMPLETED] == 12
    assert count[Counter.MESSAGES_ANSWERED] == 24
    assert count[Counter.RETRANSMITTED] == 0
    assert peer.finished == len(syns(log)) == 12
    assert sum(count[failure] for failure in FAILURES.values()) == 0


def test_the_number_of_users_is_the_number_held_at_once() -> None:
    engine, _, _ = looped(users=5, loops=50, rate=1e6)
    assert engine.counters[Counter.PEAK_ACTIVE] == 5
    assert engine.counters[Counter.SESSIONS_COMPLETED] == 250


def test_a_user_comes_back_from_another_port_as_soon_as_its_session_is_over() -> None:
    _, _, log = looped(users=1, loops=3)
    places = {(int(packet["source_lo"]), int(packet["port"])) for _, packet in syns(log)}
    assert len(places) == 3
    ends = [now for now, packet in log if packet["flags"] & FIN]
    begins = [now for now, _ in syns(log)]
    assert all(0 <= begin - end <= 2 * MS for begin, end in zip(begins[1:], ends, strict=False))


def test_no_two_users_of_any_loops_share_an_address_and_port() -> None:
    _, _, log = looped(users=40, loops=5, seed=9)
    places = [(int(packet["source_lo"]), int(packet["port"])) for _, packet in syns(log)]
    assert len(set(places)) == len(places) == 200


def test_a_user_whose_port_is_the_same_comes_back_with_higher_numbers() -> None:
    """A server in TIME-WAIT takes a SYN whose number, or whose timestamp, is beyond the old connection's."""
    script = make_script([Message(100)])
    engine = make_engine(script, users=PORTS, loops=3, rate=1e9, blocks=one_place(PORTS))
    peer = Peer(answer)
    seen: dict[int, list[Any]] = {}
    for now, packet in run(engine, peer, script, until_ns=40 * MS):
        if packet["flags"] & SYN:
            seen.setdefault(int(packet["row"]), []).append((now, packet))
    again = [both for both in seen.values() if len(both) > 1]
    assert again
    for (before, first), (later, second) in (both[:2] for both in again):
        assert (first["port"], first["source_lo"]) == (second["port"], second["source_lo"])
        assert 100 < (int(second["seq"]) - int(first["seq"])) & 0xFFFFFFFF < 1 << 31
        assert later > before


def test_a_segment_to_the_address_of_an_earlier_loop_is_answered_by_a_reset_from_there() -> None:
    t = Transcript([Message(100)], loops=2).open()
    t.until(4)
    old = t.record("F.", 1, 102)
    t.give_all(old)
    t.follow()
    t.drop()
    t.give_all(old)
    reset = t.seen.pop()[1]
    assert (int(reset["flags"]), int(reset["port"]), int(reset["seq"])) == (RST, int(old["port"]), int(old["ack"]))
    assert t.count(Counter.SESSIONS_STARTED) == 2


def test_a_reset_to_the_address_of_an_earlier_loop_is_ignored() -> None:
    t = Transcript([Message(100)], loops=2).open()
    t.until(4)
    old = t.record("R.", 2, 102)
    t.give("F.", 1, 102)
    t.drop()
    t.give_all(old)
    assert t.seen == []
    assert t.count(Counter.STRAY) == 0


def test_a_too_big_about_the_syn_of_a_user_that_came_back_changes_nothing() -> None:
    """Its segment size is still that of the session before."""
    t = Transcript([Message(100)], loops=2).open()
    t.until(4)
    t.give("R.", 1, 101)
    t.until(1006)
    t.follow()
    t.drop()
    t.icmp(3, 4, 0, mtu=600)
    t.until(1500)
    t.quiet()
    t.give("S.", 0, 1, mss=1460, options=1)
    t.take(".", 1, ack=1)
    assert t.count(Counter.SESSIONS_CONNECTED) == 2


def test_a_failed_user_stays_away_for_a_second_and_counts_once() -> None:
    t = Transcript([Message(100)], loops=3)
    for k in range(3):
        t.until(1000.5 * k + 1)
        t.follow()
        t.drop()
        t.give("R.", 0, 1)
    t.until(5000)
    assert t.engine.finished
    assert t.count(Counter.FAILED_REFUSED) == 1
    assert t.count(SESSION_FAILURES["refused"]) == t.count(Counter.SESSIONS_STARTED) == 3


def test_a_user_that_fails_after_it_had_completed_is_no_completed_user() -> None:
    script = make_script([Message(100)], last_expect=20)
    engine, peer = make_engine(script, users=10, loops=3, timeout_s=2.0), Peer(lambda received, length: 20)
    hear = peer.hear
    sessions: dict[int, int] = {}

    def moody(now: int, packet: Any, payload: bytes) -> None:
        row = int(packet["row"])
        sessions[row] = sessions.get(row, 0) + bool(packet["flags"] & SYN)
        if row % 2 and sessions[row] == 2 and packet["flags"] & SYN:
            peer.record(now, packet, RST | 16, 0, int(packet["seq"]) + 1)
        else:
            hear(now, packet, payload)

    peer.hear = moody  # type: ignore[method-assign]
    run(engine, peer, script)
    count = engine.counters
    assert engine.finished
    assert (count[Counter.COMPLETED], count[Counter.FAILED_REFUSED], count[Counter.STARTED]) == (5, 5, 10)
    assert (count[Counter.SESSIONS_COMPLETED], count[SESSION_FAILURES["refused"]]) == (25, 5)


class TestDuration:
    def test_users_come_back_until_the_time_is_over_and_finish_what_they_wait_for(self) -> None:
        engine, _, log = looped(users=4, loops=0, duration_s=0.5, rate=1e6)
        count = engine.counters
        assert engine.finished
        assert max(now for now, _ in syns(log)) < 500 * MS
        assert log[-1][0] < 520 * MS
        assert count[Counter.SESSIONS_STARTED] > 80
        assert count[Counter.SESSIONS_STARTED] == count[Counter.SESSIONS_COMPLETED] + count[Counter.SESSIONS_CUT]
        assert sum(count[failure] for failure in FAILURES.values()) == 0
        assert not any(packet["flags"] & RST for _, packet in log)

    def test_nobody_starts_after_it(self) -> None:
        engine, _, _ = looped(users=1000, rate=100.0, duration_s=1.0)
        assert engine.finished
        assert engine.counters[Counter.STARTED] == pytest.approx(100, abs=1)

    def test_nobody_comes_back_in_the_step_that_finds_the_time_over(self) -> None:
        t = Transcript([Message(100)], loops=0, duration_s=1.0, hold_s=1e6).open()
        t.until(4)
        t.give(".", 1, 101)
        t.until(999)
        t.now_ms = 1001
        t.give("R.", 1, 101)
        assert t.engine.finished
        assert (t.count(Counter.SESSIONS_STARTED), t.count(Counter.COMPLETED)) == (1, 1)

    def test_a_user_whose_time_away_ends_in_that_step_does_not_come_back(self) -> None:
        t = Transcript([Message(100)], loops=0, duration_s=1.0)
        t.until(1)
        t.give("R.", 0, 1)
        t.now_ms = 1002
        t.until(1003)
        assert t.engine.finished
        assert t.count(Counter.SESSIONS_STARTED) == 1

    def test_a_user_in_a_pause_closes_with_a_fin_and_is_cut(self) -> None:
        t = Transcript([Message(100), Message(50, gap_ms=60_000, expect=20)], duration_s=2.0).open()
        t.until(4)
        t.drop()
        t.give("P.", 1, 101, 20)
        t.until(1999)
        t.drop()
        t.until(2001)
        t.take("F.", 101)
        assert (t.count(Counter.SESSIONS_CUT), t.failures()) == (1, {})
        assert t.count(Counter.COMPLETED) == 0

    def test_a_user_that_awaits_an_answer_gets_it_first(self) -> None:
        t = Transcript([Message(100), Message(50, expect=20)], duration_s=2.0).open()
        t.until(4)
        t.give(".", 1, 101)
        t.drop()
        t.quiet(3000)
        t.give("P.", 1, 101, 20)
        t.take("F.", 101)
        assert t.count(Counter.MESSAGES_ANSWERED) == 1
        assert t.count(Counter.SESSIONS_CUT) == 1

    def test_the_grace_for_an_answer_that_never_comes_is_the_timeout(self) -> None:
        t = Transcript([Message(100), Message(50, expect=20)], duration_s=2.0, timeout_s=5.0).open()
        t.until(4)
        t.give(".", 1, 101)
        t.drop()
        t.quiet(4900)
        assert not t.engine.finished
        t.until(5100)
        t.take("R.", 101)
        assert t.failures() == {"timeout": 1}
        assert t.engine.finished

    def test_a_held_user_closes_and_has_completed(self) -> None:
        t = Transcript([Message(100)], hold_s=1e6, duration_s=2.0).open()
        t.until(4)
        t.give(".", 1, 101)
        t.drop()
        t.until(2001)
        t.take("F.", 101)
        assert (t.count(Counter.COMPLETED), t.count(Counter.SESSIONS_CUT)) == (1, 0)

    def test_users_that_are_away_do_not_come_back(self) -> None:
        t = Transcript([Message(100)], loops=0, duration_s=0.5)
        t.until(1)
        t.drop()
        t.give("R.", 0, 1)
        t.until(600)
        assert t.engine.finished
        assert t.count(Counter.SESSIONS_STARTED) == 1


def test_who_may_not_come_back_yet_waits_for_its_turn_and_the_others_go_on() -> None:
    """Four sessions may begin: three users begin and one comes back; the others ask again every 10 ms."""
    script = make_script(TALK, last_expect=20)
    engine, peer = make_engine(script, users=3, loops=3), Peer(answer)
    count = engine.counters
    engine.allow(1000, 4, 10_000)
    run(engine, peer, script, until_ns=1000 * MS)
    assert (count[Counter.SESSIONS_STARTED], count[Counter.SESSIONS_COMPLETED], engine.away) == (4, 4, 3)
    assert not engine.finished
    engine.allow(1000)
    begun = [now for now, packet in run(engine, peer, script, start_ns=1001 * MS) if packet["flags"] & SYN]
    assert len(begun) == 5
    assert max(begun[:3]) <= 1012 * MS
    assert engine.finished
    assert (count[Counter.SESSIONS_COMPLETED], count[Counter.COMPLETED], engine.away) == (9, 3, 0)
    assert sum(count[failure] for failure in FAILURES.values()) == 0


def test_who_waits_to_come_back_when_the_runs_time_is_over_stays_away() -> None:
    script = make_script(TALK, last_expect=20)
    engine, peer = make_engine(script, users=3, loops=0, duration_s=1.0), Peer(answer)
    engine.allow(1000, 4, 10_000)
    run(engine, peer, script)
    assert engine.finished
    assert (engine.counters[Counter.SESSIONS_COMPLETED], engine.away) == (4, 0)
