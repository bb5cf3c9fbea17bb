"""The engine around the machine: full batches, stray records, abort, and counters that add up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from peer import GENERATION, MS, Message, Peer, make_engine, make_script, run
from transcript import Transcript

from gryphon.controller.record import RECORD, Kind
from gryphon.sender.replay.measures import FAILURES, Counter
from gryphon.sender.replay.steps import step

SCRIPT = [Message(100), Message(5000, 3, expect=300, answer_ms=2), Message(40, 10, expect=800, answer_ms=2)]
ANSWERS = {100: 300, 5100: 800, 5140: 20}


def answer(received: int, length: int) -> int:
    """The server's answer to each request, once it is whole."""
    return ANSWERS.get(received, 0)


def add_up(engine: Any) -> None:
    """The counters at the end of a run."""
    counters = engine.counters
    failed = sum(counters[counter] for counter in FAILURES.values())
    assert counters[Counter.STARTED] == counters[Counter.COMPLETED] + failed
    assert counters[Counter.ACTIVE] == 0


@pytest.mark.parametrize("batch", [17, 20, 32, 8192])
def test_a_small_batch_loses_nothing_and_keeps_the_order(batch: int) -> None:
    script = make_script(SCRIPT, last_expect=20, sessions=3)
    engine, peer = make_engine(script, users=60, rate=20_000.0, batch=batch), Peer(answer)
    log = run(engine, peer, script)
    assert engine.counters[Counter.COMPLETED] == 60
    assert engine.counters[Counter.RETRANSMITTED] == 0
    assert engine.counters[Counter.PACKETS_SENT] == len(log)
    assert all(bytes(stream) == bytes(script.payload) for stream in peer.streams.values())
    assert len(peer.streams) == 60
    add_up(engine)


def test_a_message_that_did_not_fit_into_the_batch_goes_on_in_the_next_also_after_an_acknowledgement() -> None:
    """An acknowledgement sent in between must not make the engine forget that more is to come."""
    t = Transcript([Message(100), Message(20_000, gap_ms=0, expect=20_000)], last_expect=10, batch=20).open(options=1)
    t.until(2.5)
    t.take("P.", 1, 100)
    t.give("P.", 1, 101, 20_000)
    t.give("P.", 20_501, 101, 300)
    t.until(4)
    assert sum(int(packet["length"]) for _, packet in t.seen) == 11 * 1460


def test_a_step_never_fills_more_than_its_batch() -> None:
    script = make_script([Message(30_000)], last_expect=20)
    engine = make_engine(script, users=500, rate=1e6, batch=40)
    for now in range(0, 50 * MS, MS // 4):
        assert len(engine.step(now)) <= 40


def test_starts_are_bounded_per_step_and_caught_up_with_later() -> None:
    engine = make_engine(make_script([Message(10)]), users=100, rate=1e6)
    assert len(engine.step(1000 * MS, starts=10)) == 10
    assert len(engine.step(1000 * MS, starts=0)) == 0
    assert len(engine.step(1000 * MS)) == 90
    assert not engine.finished


@pytest.mark.parametrize(
    "fields",
    [
        {"generation": GENERATION + 1},
        {"service": 1},
        {"address_lo": 1},
        {"address_hi": 1},
        {"port": 1},
        {"port": 61001},
    ],
)
def test_a_stray_record_is_counted_and_harmless(fields: dict[str, int]) -> None:
    t = Transcript([Message(100)])
    t.until(1)
    t.take("S", 0)
    t.give("R.", 0, 1, **fields)
    t.quiet(500)
    assert t.count(Counter.STRAY) == 1
    assert t.count(Counter.RESPONSES) == 0
    assert t.failures() == {}


def test_a_fragment_or_an_unknown_kind_changes_nothing() -> None:
    t = Transcript([Message(100)])
    t.until(1)
    t.take("S", 0)
    for kind in (Kind.FRAGMENT, 77):
        t.give("R.", 0, 1, kind=kind)
    t.quiet(500)
    assert t.failures() == {}


def test_abort_resets_every_open_connection_and_nobody_else() -> None:
    script = make_script(SCRIPT, last_expect=20, sessions=2)
    engine, peer = make_engine(script, users=1000, rate=1000.0), Peer(answer)
    run(engine, peer, script, until_ns=500 * MS)
    still_open = int(engine.counters[Counter.ACTIVE])
    packets, done = engine.abort(501 * MS)
    assert done
    assert len(packets) == still_open > 0
    assert (packets["flags"] & 4).all()
    assert engine.counters[Counter.FAILED_ABORTED] > 0
    add_up(engine)
    assert len(engine.abort(502 * MS)[0]) == 0


def test_abort_comes_in_batches() -> None:
    engine = make_engine(make_script([Message(10)]), users=100, rate=1e6, batch=32)
    while not engine.finished and engine.counters[Counter.STARTED] < 100:
        engine.step(1000 * MS)
    resets, done = 0, False
    while not done:
        packets, done = engine.abort(1001 * MS)
        resets += len(packets)
    assert resets == 100
    add_up(engine)


def test_a_user_that_had_completed_stays_completed_when_the_run_is_aborted() -> None:
    t = Transcript([Message(100)], last_expect=50, last_gap_ms=10_000).open()
    t.until(4)
    t.give("P.", 1, 101, 50)
    packets, _ = t.engine.abort(5 * MS)
    assert len(packets) == 1
    assert t.count(Counter.COMPLETED) == 1
    assert t.failures() == {}


def test_a_timeout_of_a_user_whose_packets_this_host_refused_is_a_send_error() -> None:
    t = Transcript([Message(100)], timeout_s=2.0)
    t.until(0)
    t.engine.note_refused(np.array([0, 0], np.uint32))
    t.until(5000)
    assert t.failures() == {"send_error": 1}


def test_an_answer_makes_up_for_an_earlier_refusal() -> None:
    t = Transcript([Message(100)], last_expect=10, timeout_s=2.0)
    t.until(0)
    t.engine.note_refused(np.array([0], np.uint32))
    t.open()
    t.until(9000)
    assert t.failures() == {"timeout": 1}


def test_a_mixed_run_adds_up() -> None:
    """Some are refused, some reset, some closed early, some never answered."""
    script = make_script(SCRIPT, last_expect=20)
    engine, peer = make_engine(script, users=200, rate=2000.0, timeout_s=1.0), Peer(answer)
    hear = peer.hear

    def moody(now: int, packet: Any, payload: bytes) -> None:
        mood = int(packet["row"]) % 5
        if mood == 1 and packet["flags"] & 2:
            peer.record(now, packet, 4 | 16, 0, int(packet["seq"]) + 1)
        elif mood == 2 and packet["length"]:
            key = (int(packet["source_lo"]), int(packet["port"]))
            peer.record(now, packet, 4 | 16, peer.connections[key].snd_nxt, 0)
        elif mood == 3 and packet["length"]:
            peer.closes_first_after = 1
            hear(now, packet, payload)
            peer.closes_first_after = None
        elif mood != 4:
            hear(now, packet, payload)

    peer.hear = moody  # type: ignore[method-assign]
    run(engine, peer, script, until_ns=20_000 * MS)
    assert engine.finished
    assert engine.counters[Counter.COMPLETED] == 40
    for reason in ("refused", "reset", "early_close", "timeout"):
        assert engine.counters[FAILURES[reason]] == 40
    add_up(engine)


def test_idle_is_exact_for_starts_and_bounded_otherwise() -> None:
    engine = make_engine(make_script([Message(10)]), users=2, rate=10.0)
    engine.step(0)
    assert engine.idle_ns(0, most_ns=50 * MS) == 50 * MS
    engine.step(80 * MS)
    assert engine.idle_ns(80 * MS, most_ns=50 * MS) == 20 * MS
    assert engine.idle_ns(200 * MS) == 0


def test_a_user_takes_at_most_ninety_six_bytes() -> None:
    assert make_engine(make_script([Message(10)])).memory_per_user <= 96


def test_records_and_times_before_the_start_of_the_run_do_no_harm() -> None:
    t = Transcript([Message(100)], client_isn=7)
    t.until(1)
    t.take("S", 0)
    t.give("S.", 0, 1, mss=1460, options=1, time_ns=1)
    t.take(".", 1)
    assert t.count(Counter.CONNECTED) == 1


def test_samples_of_any_width_are_one_compiled_kernel() -> None:
    """Another specialisation would compile for seconds in the middle of a run."""
    engine = make_engine(make_script([Message(10)]), users=1)
    for width in (0, 8, 256):
        records, samples = np.zeros(5, RECORD), np.zeros((5, width), np.uint8)
        engine.step(0, records[1:3], samples[1:3])
        assert engine.consumed == 2
    engine.step(0)
    assert len(getattr(step, "signatures", [()])) == 1


def test_it_is_behind_while_users_that_were_due_have_not_started() -> None:
    engine = make_engine(make_script([Message(10)]), users=10, rate=math.inf)
    engine.step(0, starts=6)
    assert engine.behind
    engine.step(0, starts=6)
    assert not engine.behind
