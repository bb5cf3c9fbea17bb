"""A run with a quota never sends more packets, nor starts more sessions, than it allows; and loses nothing by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gryphon.controller.quota import Quota
from gryphon.controller.record import RECORD
from gryphon.sender import pace
from gryphon.sender.intercepts import Batch
from gryphon.sender.loop import Stop
from gryphon.sender.pace import Pace, PacedLoop
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.output import RESERVE
from gryphon.sender.replay.packet import PACKET
from gryphon.sender.results.verdict import Ending

SECOND = 1_000_000_000


class Clock:
    """Time that goes on by itself a little, and by sleeping."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic_ns(self) -> int:
        self.now += 10_000
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(round(seconds * 1e9), 1)


class Engine:
    """Answers each record with a packet, and each of so many users starts as soon as it may, with a packet, too."""

    def __init__(self, users: int, records: int) -> None:
        self.users, self.records, self.open = users, records, 0
        self.counters = np.zeros(len(Counter), np.int64)
        self.consumed, self.room = 0, 1 << 30
        self.served = list[int]()
        self.starts = list[tuple[int, int]]()  # records that came with it, users that began

    @property
    def behind(self) -> bool:
        return self.users > 0

    @property
    def finished(self) -> bool:
        return not self.users and len(self.served) == self.records

    away = 0

    def allow(self, packets: int, sessions: int = 1 << 30, turn_us: int = 0) -> None:
        self.room, self.sessions = packets + RESERVE, sessions

    def step(self, now: int, records: Any, samples: Any, starts: int) -> Any:
        self.consumed = min(len(records), self.room - RESERVE)
        self.served += records["seq"][: self.consumed].tolist()
        begun = min(starts, self.sessions, self.users, self.room - RESERVE - self.consumed)
        self.starts.append((self.consumed, begun))
        self.users -= begun
        self.open += begun
        self.counters[Counter.SESSIONS_STARTED] += begun
        return np.zeros(self.consumed + begun, PACKET)

    def abort(self, now: int) -> Any:
        gone = min(self.open, self.room)
        self.open -= gone
        return np.zeros(gone, PACKET), self.open == 0

    def idle_ns(self, now: int) -> int:
        return SECOND // 1000


class Wire:
    """Transmitter and intercepts in one: packets with their times, records in one batch."""

    def __init__(self, clock: Clock, records: int) -> None:
        self.clock, self.sent, self.reads = clock, list[int](), 0
        batch = np.zeros(records, RECORD)
        batch["seq"] = np.arange(records)
        self.batches = [Batch(batch, np.zeros((records, 0), np.uint8))]

    def send(self, packets: Any) -> int:
        self.sent += [self.clock.now] * len(packets)
        return len(packets)

    def refused_rows(self) -> Any:
        return np.zeros(0, np.uint32)

    def read(self) -> Batch:
        self.reads += 1
        return self.batches.pop() if self.batches else Batch(np.zeros(0, RECORD), np.zeros((0, 0), np.uint8))

    def keep(self) -> None:
        pass

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace, "time", made)
    monkeypatch.setattr("gryphon.sender.loop.time", made)
    return made


def run(clock: Clock, quota: Quota, users: int, records: int, stop: Any = None) -> tuple[PacedLoop, Engine, Wire]:
    engine, wire = Engine(users, records), Wire(clock, records)
    loop: PacedLoop = PacedLoop(quota, engine, wire, wire, lambda now: None, stop or Stop())
    loop.run()
    return loop, engine, wire


def most_in_a_second(times: list[int]) -> int:
    stamps = np.array(times)
    return int((np.searchsorted(stamps, stamps + SECOND) - np.arange(len(stamps))).max())


def test_packets_leave_at_the_rate_and_no_record_is_lost(clock: Clock) -> None:
    loop, engine, wire = run(clock, Quota(packets_s=1000), 0, 5000)
    assert engine.served == list(range(5000))
    assert len(wire.sent) == 5000
    assert most_in_a_second(wire.sent) <= 1000 + 50 + RESERVE
    assert clock.now == pytest.approx(5 * SECOND, rel=0.05)
    assert "held this run back for" in loop.pace.notes()[0]


def test_the_grant_is_kept_while_packets_wait(clock: Clock) -> None:
    _, _, wire = run(clock, Quota(packets_s=100), 0, 1000)
    assert wire.reads > 10 * 1000 / 20 / 20  # every 20 ms, ten seconds long, and more


def test_sessions_start_at_the_rate_those_of_who_comes_back_too(clock: Clock) -> None:
    _, engine, wire = run(clock, Quota(sessions_s=500), 3000, 0)
    assert engine.open == 3000
    assert most_in_a_second(wire.sent) <= 2 * 500 + 1  # a second's worth at once, then the rate
    assert clock.now >= 4.9 * SECOND


def test_who_is_connected_goes_on_while_no_session_may_start(clock: Clock) -> None:
    """Ten tokens are gone at once and one comes in 100 ms: that is none of the 5,000 answers' business."""
    _, engine, wire = run(clock, Quota(sessions_s=10), 40, 5000)
    assert engine.open == 40
    assert wire.sent[4999] < SECOND // 10
    assert engine.served == list(range(5000))


def test_users_that_wait_to_come_back_ask_as_often_as_one_may(clock: Clock) -> None:
    made = Pace(Quota(sessions_s=100), 0)
    assert [made.turn_us(away) for away in (0, 50, 1000)] == [5_000, 500_000, 4_000_000]
    assert Pace(Quota(packets_s=1600, sessions_s=1000), 0).turn_us(100) == 500_000


def test_nobody_starts_while_packets_are_short(clock: Clock) -> None:
    _, engine, wire = run(clock, Quota(packets_s=1000), 500, 3000)
    assert engine.open == 500
    last_full = max(i for i, (records, _) in enumerate(engine.starts) if records == max(r for r, _ in engine.starts))
    assert sum(begun for _, begun in engine.starts[:last_full]) < 100
    assert most_in_a_second(wire.sent) <= 1000 + 50 + RESERVE
    assert clock.now == pytest.approx(3.5 * SECOND, rel=0.2)


def test_few_start_at_a_time_where_packets_are_limited() -> None:
    """Of half a bucket, an eighth; of much room, many."""
    made = Pace(Quota(packets_s=1000), 0)
    assert made.starts(0) == 3
    made.spend(0, 22, 0)
    assert made.starts(0) == 1
    made.spend(0, 4, 0)
    assert made.starts(0) == 0
    assert Pace(Quota(packets_s=100_000), 0).starts(0) == 312
    assert Pace(Quota(packets_s=100_000, sessions_s=20), 0).starts(0) == 32


def test_the_share_of_the_packets_may_change(clock: Clock) -> None:
    made = Pace(Quota(packets_s=1000), 0)
    made.allow_packets(None, 0)
    made.allow_packets(100, 0)
    made.spend(0, made.room(0), 0)
    assert made.room(SECOND // 10) == 10


def test_a_quota_that_never_binds_is_not_worth_a_word(clock: Clock) -> None:
    loop, _, _ = run(clock, Quota(packets_s=1e9, sessions_s=1e9), 10, 100)
    assert loop.pace.notes() == []


def test_resets_of_an_interrupted_run_keep_to_the_rate(clock: Clock) -> None:
    class Later:
        """Ctrl-C once all have started."""

        engine: Engine

        @property
        def signals(self) -> int:
            return int(self.engine.users == 0)

    later = Later()
    engine, wire = Engine(2000, 1), Wire(clock, 1)
    later.engine = engine
    wire.batches = []
    loop: PacedLoop = PacedLoop(Quota(packets_s=1000), engine, wire, wire, lambda now: None, later)
    assert loop.run() is Ending.INTERRUPTED
    assert len(wire.sent) == 4000
    assert most_in_a_second(wire.sent) <= 1000 + 50 + RESERVE
