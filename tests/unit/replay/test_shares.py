"""Several engines that share a run's users do together what one would do alone: the same sessions at the same times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from peer import MS, Message, make_engine, make_script

from gryphon.sender.replay.addresses import BLOCK
from gryphon.sender.replay.arrivals import Arrivals, Spacing, as_recorded
from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.measures import Counter, Measures

SYN = 2
USERS = 100
SCHEDULES = {
    "even": Arrivals(((0.0, 200.0),)),
    "ramp": Arrivals(((0.0, 0.0), (1.0, 300.0), (2.0, 50.0))),
    "poisson": Arrivals(((0.0, 200.0),), Spacing.POISSON),
    "recorded": as_recorded(np.array([0, 3e8, 4e8, 11e8], np.int64), 10.0),
    "at once": Arrivals(((0.0, math.inf),)),
}


def started(engine: Engine) -> list[tuple[int, int]]:
    """(microseconds, number of the user) of every first SYN; time goes on in microseconds from deadline to deadline."""
    seen: dict[int, int] = {}
    now = 0
    while now < 100_000 * MS and engine.counters[Counter.STARTED] < _rows(engine):
        packets = engine.step(now)
        for packet in packets[packets["flags"] == SYN]:
            seen.setdefault(engine.number(int(packet["row"])), now // 1000)
        now += max(engine.idle_ns(now, most_ns=1000 * MS), 0 if len(packets) else 1000)
    return [(at, number) for number, at in seen.items()]


def _rows(engine: Engine) -> int:
    return len(engine._users)


def _engine(schedule: str, share: int = 0, shares: int = 1, **more: Any) -> Engine:
    script = make_script([Message(10)])
    return make_engine(
        script, users=USERS, arrivals=SCHEDULES[schedule], timeout_s=86_400.0, share=share, shares=shares, **more
    )


@pytest.mark.parametrize("shares", [2, 3, 7])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_user_starts_when_it_would_start_alone(schedule: str, shares: int) -> None:
    alone = started(_engine(schedule))
    together = [each for share in range(shares) for each in started(_engine(schedule, share, shares))]
    assert [number for _, number in sorted(alone, key=lambda each: each[1])] == list(range(USERS))
    for (at, number), (wanted, same) in zip(sorted(together, key=_number), sorted(alone, key=_number), strict=True):
        assert (number, at) == (same, pytest.approx(wanted, abs=2))


def _number(each: tuple[int, int]) -> int:
    return each[1]


def test_a_share_has_rows_for_its_own_users_only() -> None:
    assert [_rows(_engine("even", share, 3)) for share in range(3)] == [34, 33, 33]


def test_no_share_uses_an_address_outside_its_own_part_of_the_range() -> None:
    parts = []
    for share in range(2):
        blocks = np.zeros(1, BLOCK)
        blocks[0] = (0, 0xFFFF_0A11_0F01 + 100 * share, 100, 0)
        engine = _engine("even", share, 2, blocks=blocks)
        parts.append({engine.place(row, loop)[0] for row in range(_rows(engine)) for loop in range(3)})
    assert parts[0].isdisjoint(parts[1])


def test_measures_over_given_memory_are_where_the_engine_counts() -> None:
    memory = np.zeros(Measures.size(), np.int64)
    engine = _engine("even", measures=Measures.over(memory))
    started(engine)
    assert memory[Counter.STARTED] == USERS == engine.counters[Counter.STARTED]
    assert Measures.over(memory).histograms.sum() == engine.histograms.sum() > 0
