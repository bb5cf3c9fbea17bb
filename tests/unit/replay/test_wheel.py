"""The timer wheel against a sorted list: every row comes once, in order, at the first tick after its deadline."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from whole import whole

from gryphon.sender.replay.core import CORE, bind, head_at
from gryphon.sender.replay.measures import Counter, new_counters
from gryphon.sender.replay.rows import new_users
from gryphon.sender.replay.wheel import SLOTS, TICK_SHIFT, link, new_wheel, tick_of, ticks_until, unlink

ROWS = 12
TURN_US = SLOTS << TICK_SHIFT


@whole
def _link(cores: Any, row: int, deadline: int, soonest: int) -> None:
    core = cores[0]
    link(core, row, tick_of(deadline & 0xFFFFFFFF), core.tick + soonest)


@whole
def _unlink(cores: Any, row: int) -> None:
    unlink(cores[0], row)


@whole
def _next(cores: Any, until: int) -> int:
    """Take the next row due by a tick out of the wheel; -1 when there is none."""
    core = cores[0]
    while core.tick <= until:
        head = head_at(core.heads, core.tick & (SLOTS - 1))
        if head.value != 0:
            row = np.int64(head.value) - 1
            unlink(core, row)
            return row
        core.tick += 1
    return -1


@whole
def _tick_of(deadline: int) -> int:
    return tick_of(deadline)


@whole
def _ticks_until(tick: int, cursor: int) -> int:
    return ticks_until(tick, cursor)


class Wheel:
    """A wheel of a few rows that starts at a tick."""

    def __init__(self, tick: int) -> None:
        self.users, self.heads, self.counters = new_users(ROWS), new_wheel(), new_counters()
        self.cores = np.zeros(1, CORE).view(np.recarray)
        bind(self.cores[0], "users", self.users)
        bind(self.cores[0], "heads", self.heads)
        bind(self.cores[0], "counters", self.counters)
        self.cores[0]["tick"] = tick

    @property
    def tick(self) -> int:
        return int(self.cores[0]["tick"])

    def link(self, row: int, deadline: int, soonest: int = 0) -> None:
        _link(self.cores, row, deadline, soonest)

    def serve(self, until: int) -> list[tuple[int, int]]:
        """(row, tick) of everything due by a tick."""
        served = []
        while (row := _next(self.cores, until)) >= 0:
            served.append((int(row), self.tick))
        return served


STARTS = st.sampled_from([0, 5, SLOTS - 3, (1 << 25) - 4, (1 << 25) + 7, 3 << 25])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("link"), st.integers(0, ROWS - 1), st.integers(-5000, TURN_US - 2000)),
        st.tuples(st.just("unlink"), st.integers(0, ROWS - 1), st.just(0)),
        st.tuples(st.just("serve"), st.just(0), st.integers(0, SLOTS // 2)),
    ),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(STARTS, STEPS)
def test_rows_are_served_like_from_a_sorted_list(start: int, steps: list[tuple[str, int, int]]) -> None:
    wheel, reference = Wheel(start), dict[int, int]()
    for step, row, number in [*steps, ("serve", 0, SLOTS)]:
        if step == "link":
            deadline = (wheel.tick << TICK_SHIFT) + number
            tick = max(-(-deadline >> TICK_SHIFT), wheel.tick)
            wheel.link(row, deadline)
            reference[row] = min(reference.get(row, tick), tick)
        elif step == "unlink":
            _unlink(wheel.cores, row)
            reference.pop(row, None)
        else:
            until = wheel.tick + number
            due = sorted((tick, row) for row, tick in reference.items() if tick <= until)
            assert sorted((tick, row) for row, tick in wheel.serve(until)) == due
            reference = {row: tick for row, tick in reference.items() if tick > until}
        assert wheel.counters[Counter.TIMERS] == len(reference) == np.count_nonzero(wheel.users["tick"])
    assert not wheel.heads.any()
    assert not wheel.users["tick"].any()


def test_a_deadline_beyond_the_turn_waits_in_its_last_slot() -> None:
    wheel = Wheel(100)
    wheel.link(0, (100 << TICK_SHIFT) + 2 * TURN_US)
    assert wheel.serve(100 + SLOTS - 2) == []
    assert wheel.serve(100 + SLOTS) == [(0, 100 + SLOTS - 1)]


def test_a_deadline_that_has_passed_is_served_at_once_or_at_the_soonest_tick_allowed() -> None:
    wheel = Wheel(1000)
    wheel.link(0, 5)
    wheel.link(1, 5, soonest=1)
    assert wheel.serve(1000) == [(0, 1000)]
    assert wheel.serve(1001) == [(1, 1001)]


def test_a_later_deadline_leaves_a_row_where_it_is_and_an_earlier_one_moves_it() -> None:
    wheel = Wheel(0)
    wheel.link(0, 1000 << TICK_SHIFT)
    wheel.link(0, 2000 << TICK_SHIFT)
    wheel.link(1, 1000 << TICK_SHIFT)
    wheel.link(1, 500 << TICK_SHIFT)
    assert wheel.serve(3000) == [(1, 500), (0, 1000)]


def test_a_deadline_across_the_wrap_of_the_32_bit_clock_keeps_its_place() -> None:
    last = (1 << 25) - 2
    wheel = Wheel(last)
    wheel.link(0, (1 << 32) + 640)
    assert wheel.serve(last + 6) == []
    assert wheel.serve(last + 7) == [(0, last + 7)]


@given(st.integers(0, (1 << 32) - 1))
def test_a_tick_begins_at_or_after_its_deadline(deadline: int) -> None:
    assert 0 <= ((_tick_of(deadline) << TICK_SHIFT) - deadline) % (1 << 32) < 1 << TICK_SHIFT


@given(st.integers(0, 1 << 40), st.integers(-(1 << 24), (1 << 24) - 1))
def test_ticks_are_told_apart_within_half_a_turn_of_the_clock(cursor: int, ahead: int) -> None:
    assert _ticks_until((cursor + ahead) & ((1 << 25) - 1), cursor) == ahead
