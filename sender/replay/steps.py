"""One step of the engine: records, timers, starts, the end of the run's time; each until the batch is full.

A step has one door from Python: with four, and what the engine set up between them, an empty step took 60 us.
"""

from __future__ import annotations

from typing import Any

from gryphon.controller.record import Kind
from gryphon.sender.compiled import inner, int64, kernel
from gryphon.sender.replay import addresses, machine
from gryphon.sender.replay.addresses import is_current, row_of, slot_of
from gryphon.sender.replay.arrivals import schedule_start
from gryphon.sender.replay.core import Core, count, fetch_user, head_at, service_of, turn_to, user_at
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.output import room
from gryphon.sender.replay.wheel import SLOTS, TICK_SHIFT, unlink

DRAINED_PER_STEP = 8192
"""Users told in one step that the run's time is over."""

LOOKAHEAD = 8
"""The row of so many records ahead is fetched into the cache: two lines of memory that nobody may have touched."""


@inner
def _is_its_server(core: Core, row: int, record: Any) -> bool:
    """Whether a segment comes from the server that the user talks to; errors name no service."""
    turn_to(core, row)
    return bool(record.kind != Kind.TCP or record.service == service_of(core))


@inner
def _fetch_ahead(core: Core, record: Any) -> None:
    """Have the row of a later record's user fetched while others are served."""
    slot = slot_of(core, record.address_hi, record.address_lo, record.port)
    if slot >= 0:
        fetch_user(core.users, row_of(core, slot))


@kernel
def step(cores: Any, records: Any, sample_width: int, now: int, epoch_ns: int, starts: int) -> int:
    """Serve what has come and what is due; how many records were taken. The batch has ``packet_count`` packets.

    Args:
        cores: one row of CORE.
        records: RECORD rows.
        sample_width: bytes that ``core.samples`` has for each of them.
        now: microseconds of the run's clock.
        epoch_ns: time of the records' clock at the run's 0.
        starts: new sessions at most.
    """
    core = cores[0]
    core.packet_count = 0
    core.scratch_used = 0
    core.sample_width = sample_width
    if now >= core.until:
        core.draining = 1
    taken = _take_records(core, records, now, epoch_ns)
    _serve_timers(core, now)
    if core.draining:
        _drain_users(core, now, DRAINED_PER_STEP)
    else:
        _start_users(core, now, starts)
    return int64(taken)


@inner
def _take_records(core: Core, records: Any, now: int, epoch_ns: int) -> int:
    """Serve records until the batch is full; how many were taken."""
    for i in range(len(records)):
        if room(core) <= 0:
            return i
        if i + LOOKAHEAD < len(records):
            _fetch_ahead(core, records[i + LOOKAHEAD])
        record = records[i]
        slot = slot_of(core, record.address_hi, record.address_lo, record.port)
        row = row_of(core, slot)
        if slot < 0 or record.generation != core.generation or not _is_its_server(core, row, record):
            count(core, Counter.STRAY, 1)
        elif not is_current(core, slot, user_at(core.users, row).loop):
            machine.on_stale(core, row, record, now)
        else:
            core.sample_at = i * core.sample_width
            core.sample_length = min(int64(record.sample_length), core.sample_width)
            at = min((int64(record.time_ns) - epoch_ns) // 1000, now)
            machine.on_record(core, row, record, now, at)
    return len(records)


@inner
def _serve_timers(core: Core, now: int) -> None:
    """Serve the wheel's slots up to now, or until the batch is full."""
    until = now >> TICK_SHIFT
    while core.tick <= until:
        head = head_at(core.heads, core.tick & (SLOTS - 1))
        while head.value != 0:
            if room(core) <= 0:
                return
            row = int64(head.value) - 1
            unlink(core, row)
            if head.value != 0:
                fetch_user(core.users, int64(head.value) - 1)
            machine.on_timer(core, row, now)
        core.tick += 1


@inner
def _start_users(core: Core, now: int, most: int) -> None:
    """Start the users whose scheduled time has come."""
    for _ in range(most):
        if core.next_start > now or room(core) <= 0 or core.openings <= 0:
            return
        count(core, Counter.STARTED, 1)
        machine.start(core, core.started, now, core.next_start)
        core.started += 1
        schedule_start(core)


@kernel
def schedule_first(cores: Any) -> None:
    """Find out when the first user starts."""
    schedule_start(cores[0])


@inner
def _drain_users(core: Core, now: int, most: int) -> None:
    """Tell so many users that the run's time is over, or until the batch is full."""
    for _ in range(most):
        if core.drained >= core.started or room(core) <= 0:
            return
        machine.drain(core, core.drained, now)
        core.drained += 1


@kernel
def abort_users(cores: Any, now: int) -> bool:
    """Reset open connections until the batch is full; whether all rows have been passed."""
    core = cores[0]
    core.packet_count = 0
    core.scratch_used = 0
    while core.swept < core.started:
        if room(core) <= 0:
            return False
        machine.abort(core, core.swept, now)
        core.swept += 1
    return True


@kernel
def place(cores: Any, row: int, loop: int) -> Any:
    """Where a user stands in a loop."""
    return addresses.locate(cores[0], row, loop)


@kernel
def next_tick(cores: Any, horizon: int) -> int:
    """Ticks from the cursor to the next slot that holds a row, at most ``horizon``."""
    core = cores[0]
    for ahead in range(horizon):
        if head_at(core.heads, (core.tick + ahead) & (SLOTS - 1)).value != 0:
            return ahead
    return horizon
