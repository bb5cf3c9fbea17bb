"""The engine: records and the time in, packets out; no socket, no clock, no random source.

``step`` is the only way in. Everything else it knows stands in the columns of ``core.Core``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.controller.record import RECORD, Kind, Records
from gryphon.sender.compiled import inner, kernel
from gryphon.sender.replay import machine
from gryphon.sender.replay.addresses import new_plan, row_of
from gryphon.sender.replay.core import CURSOR, SETTINGS, Core
from gryphon.sender.replay.measures import Counter, Counters, Histograms, new_counters, new_histograms
from gryphon.sender.replay.output import room
from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.replay.rows import Mark, new_users
from gryphon.sender.replay.script import Script
from gryphon.sender.replay.sequence import MASK, int64
from gryphon.sender.replay.wheel import SLOTS, TICK_SHIFT, new_wheel, unlink

STARTS_PER_STEP = 256
"""New sessions in one step: answers of those before are served in between."""

_NO_RECORDS = np.zeros(0, RECORD)


@inner
def _is_its_server(core: Core, row: int, record: Any) -> bool:
    """Whether a segment comes from the server that the user talks to; errors name no service."""
    target = core.sessions[row % len(core.sessions)].target
    return bool(record.kind != Kind.TCP or record.service == core.services[target])


@kernel
def _take_records(core: Core, records: Any, now: int, epoch_ns: int) -> int:
    """Serve records until the batch is full; how many were taken."""
    settings = core.settings[0]
    for i in range(len(records)):
        if room(core) <= 0:
            return i
        record = records[i]
        row = row_of(core.blocks, core.plan[0], record.address_hi, record.address_lo, record.port)
        if row < 0 or record.generation != settings.generation or not _is_its_server(core, row, record):
            core.counters[Counter.STRAY] += 1
            continue
        at = min((int64(record.time_ns) - epoch_ns) // 1000, now)
        machine.on_record(core, row, record, now, at)
    return len(records)


@kernel
def _serve_timers(core: Core, now: int) -> None:
    """Serve the wheel's slots up to now, or until the batch is full."""
    cursor = core.cursor[0]
    until = now >> TICK_SHIFT
    while cursor.tick <= until:
        slot = cursor.tick & (SLOTS - 1)
        while core.heads[slot] != 0:
            if room(core) <= 0:
                return
            row = int64(core.heads[slot]) - 1
            unlink(core.users, core.heads, row)
            machine.on_timer(core, row, now)
        cursor.tick += 1


@kernel
def _start_users(core: Core, now: int, most: int) -> None:
    """Start the users whose scheduled time has come."""
    settings = core.settings[0]
    cursor = core.cursor[0]
    for _ in range(most):
        if cursor.started >= settings.users or room(core) <= 0:
            return
        intended = settings.start + int64(cursor.started * 1e6 / settings.rate)
        if intended > now:
            return
        machine.start(core, cursor.started, now, intended)
        cursor.started += 1


@kernel
def _abort_users(core: Core, now: int) -> bool:
    """Reset open connections until the batch is full; whether all rows have been passed."""
    cursor = core.cursor[0]
    while cursor.swept < cursor.started:
        if room(core) <= 0:
            return False
        machine.abort(core, cursor.swept, now)
        cursor.swept += 1
    return True


@kernel
def _next_tick(core: Core, horizon: int) -> int:
    """Ticks from the cursor to the next slot that holds a row, at most ``horizon``."""
    tick = core.cursor[0].tick
    for ahead in range(horizon):
        if core.heads[(tick + ahead) & (SLOTS - 1)] != 0:
            return ahead
    return horizon


@dataclass(frozen=True)
class Plan:
    """What the users of a run are: how many, how fast, from where, and how they speak TCP."""

    users: int
    rate: float  # new sessions per second
    blocks: npt.NDArray[Any]  # addresses.BLOCK
    services: list[int]  # per target, the intercept's service index
    generation: int
    timeout_s: float = 75.0
    mtu: int = 1500
    ip_version: int = 4
    mode: int = 0
    seed: int = 0


class Engine:
    """N simulated users playing a script.

    Args:
        script: what the sessions send.
        plan: the users.
        epoch_ns: CLOCK_MONOTONIC of the run's time 0; records and ``now`` are nanoseconds of that clock.
        batch: packet descriptors a step may fill.
    """

    def __init__(self, script: Script, plan: Plan, epoch_ns: int, batch: int = 8192) -> None:
        self._epoch_ns = epoch_ns
        self.consumed = 0
        addresses = int(plan.blocks["count"].sum())
        self._core = Core(
            users=new_users(plan.users),
            heads=new_wheel(),
            sessions=script.sessions,
            entries=script.entries,
            services=np.array(plan.services, np.uint16),
            blocks=plan.blocks.view(np.recarray),
            plan=new_plan(addresses, plan.users, plan.mode, plan.seed),
            settings=_settings(plan, epoch_ns),
            cursor=np.zeros(1, CURSOR).view(np.recarray),
            counters=new_counters(),
            histograms=new_histograms(),
            packets=np.zeros(batch, PACKET).view(np.recarray),
        )

    @property
    def counters(self) -> Counters:
        """One number per ``measures.Counter``, live."""
        return self._core.counters  # type: ignore[no-any-return]

    @property
    def histograms(self) -> Histograms:
        """One row per ``measures.Histogram``, live."""
        return self._core.histograms  # type: ignore[no-any-return]

    @property
    def finished(self) -> bool:
        """Every user has started and no connection is open."""
        everyone = self._core.cursor[0].started >= self._core.settings[0].users
        return bool(everyone and self.counters[Counter.ACTIVE] == 0)

    @property
    def memory_per_user(self) -> int:
        """Bytes that grow with each user."""
        return int(self._core.users.itemsize)

    def step(self, now_ns: int, records: Records = _NO_RECORDS, starts: int = STARTS_PER_STEP) -> Packets:
        """Serve records, timers and starts; ``consumed`` then holds how many records were taken.

        A full batch leaves the rest of the records to the next call, which the caller makes with them at once.
        """
        core, now = self._core, (now_ns - self._epoch_ns) // 1000
        core.cursor[0].packets = 0
        self.consumed = int(_take_records(core, records.view(np.recarray), now, self._epoch_ns))
        _serve_timers(core, now)
        if starts:
            _start_users(core, now, starts)
        return core.packets[: core.cursor[0].packets]  # type: ignore[no-any-return]

    def abort(self, now_ns: int) -> tuple[Packets, bool]:
        """Reset every open connection: a batch of packets, and whether it was the last."""
        core = self._core
        core.cursor[0].packets = 0
        done = _abort_users(core, (now_ns - self._epoch_ns) // 1000)
        return core.packets[: core.cursor[0].packets], bool(done)

    def note_refused(self, rows: npt.NDArray[np.uint32]) -> None:
        """This host refused to send packets of these users: should they time out, it is not the server's fault."""
        self._core.users["marks"][rows] |= Mark.REFUSED

    def idle_ns(self, now_ns: int, most_ns: int = 50_000_000) -> int:
        """How long nothing is due, at most ``most_ns``."""
        core = self._core
        horizon = most_ns // 1000 >> TICK_SHIFT
        ahead = int(_next_tick(core, horizon))
        deadline_us = (int(core.cursor[0].tick) + ahead) << TICK_SHIFT
        started, settings = int(core.cursor[0].started), core.settings[0]
        if started < settings.users:
            deadline_us = min(deadline_us, int(settings.start) + int(started * 1e6 / settings.rate))
        return min(max(deadline_us * 1000 - (now_ns - self._epoch_ns), 0), most_ns)


def _settings(plan: Plan, epoch_ns: int) -> Any:
    """The run's settings as the kernels read them."""
    settings = np.zeros(1, SETTINGS).view(np.recarray)
    row = settings[0]
    row.users = plan.users
    row.rate = plan.rate
    row.timeout = int(plan.timeout_s * 1e6)
    row.mtu = plan.mtu
    row.headers = 40 if plan.ip_version == 4 else 60
    row.generation = plan.generation
    row.isn_clock = epoch_ns // 4000 & MASK  # RFC 6528: a tick every 4 us
    row.ts_clock = epoch_ns // 1_000_000 & MASK
    return settings
