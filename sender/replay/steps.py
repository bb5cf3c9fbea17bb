"""One step of the engine in parts: records, timers, starts, the end of the run's time; each until the batch is full."""

from __future__ import annotations

from typing import Any

from gryphon.controller.record import Kind
from gryphon.sender.compiled import inner, int64, kernel
from gryphon.sender.replay import addresses, machine
from gryphon.sender.replay.addresses import is_current, row_of, slot_of
from gryphon.sender.replay.arrivals import schedule_start
from gryphon.sender.replay.core import Core, count, head_at, service_of, user_at
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.output import room
from gryphon.sender.replay.wheel import SLOTS, TICK_SHIFT, unlink


@inner
def _is_its_server(core: Core, row: int, record: Any) -> bool:
    """Whether a segment comes from the server that the user talks to; errors name no service."""
    return bool(record.kind != Kind.TCP or record.service == service_of(core, row))


@kernel
def take_records(cores: Any, records: Any, now: int, epoch_ns: int) -> int:
    """Serve records until the batch is full; how many were taken."""
    core = cores[0]
    for i in range(len(records)):
        if room(core) <= 0:
            return i
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


@kernel
def serve_timers(cores: Any, now: int) -> None:
    """Serve the wheel's slots up to now, or until the batch is full."""
    core = cores[0]
    until = now >> TICK_SHIFT
    while core.tick <= until:
        head = head_at(core.heads, core.tick & (SLOTS - 1))
        while head.value != 0:
            if room(core) <= 0:
                return
            row = int64(head.value) - 1
            unlink(core, row)
            machine.on_timer(core, row, now)
        core.tick += 1


@kernel
def start_users(cores: Any, now: int, most: int) -> None:
    """Start the users whose scheduled time has come."""
    core = cores[0]
    for _ in range(most):
        if core.next_start > now or core.draining or room(core) <= 0:
            return
        count(core, Counter.STARTED, 1)
        machine.start(core, core.started, now, core.next_start)
        core.started += 1
        schedule_start(core)


@kernel
def schedule_first(cores: Any) -> None:
    """Find out when the first user starts."""
    schedule_start(cores[0])


@kernel
def drain_users(cores: Any, now: int, most: int) -> None:
    """Tell so many users that the run's time is over, or until the batch is full."""
    core = cores[0]
    for _ in range(most):
        if core.drained >= core.started or room(core) <= 0:
            return
        machine.drain(core, core.drained, now)
        core.drained += 1


@kernel
def abort_users(cores: Any, now: int) -> bool:
    """Reset open connections until the batch is full; whether all rows have been passed."""
    core = cores[0]
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
