"""The engine: records and the time in, packets out; no socket, no clock, no random source.

``step`` is the only way in. Everything else it knows stands in the columns of ``core.Core``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.controller.record import RECORD, Records
from gryphon.controller.samples import Samples
from gryphon.sender.replay import addresses, steps
from gryphon.sender.replay.arrivals import NEVER, Arrivals
from gryphon.sender.replay.core import CORE, PLAIN_PYTHON, bind
from gryphon.sender.replay.examples import new_examples
from gryphon.sender.replay.fields import scratch_bytes
from gryphon.sender.replay.measures import FAILURES, Counter, Measures
from gryphon.sender.replay.output import RESERVE
from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.replay.rows import FAILED, OUTCOME, Before, Mark, new_users
from gryphon.sender.replay.script import Script
from gryphon.sender.replay.sequence import MASK
from gryphon.sender.replay.wanted import Wanted
from gryphon.sender.replay.wheel import TICK_SHIFT, new_wheel

BATCH = 8192
"""Packet descriptors that a step may fill, unless the engine is told otherwise."""

STARTS_PER_STEP = 256
"""New sessions in one step: answers of those before are served in between."""

_NO_RECORDS = np.zeros(0, RECORD)
_NO_SAMPLES = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True)
class Plan:
    """What the users of a run are: how many, how fast, from where, and how they speak TCP."""

    users: int  # of the whole run
    arrivals: Arrivals
    blocks: npt.NDArray[Any]  # addresses.BLOCK
    services: list[int]  # per target, the intercept's service index
    generation: int
    timeout_s: float = 75.0
    mtu: int = 1500
    ip_version: int = 4
    mode: int = 0
    seed: int = 0
    loops: int = 1  # sessions of each user; 0: without end
    wanted: Wanted = field(default_factory=Wanted)  # what is looked for in the samples
    wall_ns: int = 0  # CLOCK_REALTIME at the run's time 0, for the ages of messages
    share: int = 0  # which share of the users this engine plays,
    shares: int = 1  # of how many: every shares-th user, from share on
    duration_s: float | None = None  # afterwards no session starts, and users close as soon as they await nothing

    @property
    def rows(self) -> int:
        """Users of this engine."""
        return len(range(self.share, self.users, self.shares))


class Engine:
    """N simulated users playing a script.

    Args:
        script: what the sessions send.
        plan: the users.
        epoch_ns: CLOCK_MONOTONIC of the run's time 0; records and ``now`` are nanoseconds of that clock.
        batch: packet descriptors a step may fill.
        measures: where it counts; its own by default.
    """

    def __init__(
        self, script: Script, plan: Plan, epoch_ns: int, batch: int = BATCH, measures: Measures | None = None
    ) -> None:
        self.epoch_ns = epoch_ns
        self._plan = plan
        self._now = 0
        self.consumed = 0
        self.measures = measures or Measures.new()
        self.counters, self.histograms, self.statuses = self.measures
        self.examples = new_examples()
        """EXAMPLE rows: the first users of each kind of trouble."""
        self._users = new_users(plan.rows)
        self._packets = np.zeros(batch, PACKET)
        # columns that only kernels touch: kept alive, since the kernels know them by address
        self._columns = {
            "heads": new_wheel(),
            "sessions": script.sessions,
            "entries": script.entries,
            "services": np.array(plan.services, np.uint16),
            "users": self._users,
            "packets": self._packets,
            "counters": self.counters,
            "histograms": self.histograms.reshape(-1),
            "blocks": plan.blocks,
            "stretches": plan.arrivals.stretches(),
            "recorded_starts": plan.arrivals.starts_us,
            "examples": self.examples,
            "statuses": self.statuses,
            "answer_heads": script.heads,
            "masks": script.masks,
            "wanted": plan.wanted.rows,
            "wanted_texts": plan.wanted.texts,
        }
        self._columns |= _field_columns(script, plan, batch)
        cores = np.zeros(1, CORE)
        self._core = cores[0]
        self._cores = cores.view(np.recarray) if PLAIN_PYTHON else cores
        addresses.plan(self._core, plan.blocks, plan.rows, plan.mode, plan.seed)
        for name, column in self._columns.items():
            bind(self._core, name, column)
        self._core["session_count"], self._core["packet_room"] = len(script.sessions), batch
        self._core["scratch"], self._core["value_stride"] = script.fields.scratch, script.fields.stride
        _set_up(self._core, plan, epoch_ns)
        steps.schedule_first(self._cores)

    @property
    def finished(self) -> bool:
        """No user will start or come back, and no connection is open."""
        core = self._core
        over = core["draining"] or core["next_start"] == NEVER
        return bool(over and core["away"] == 0 and self.counters[Counter.ACTIVE] == 0)

    @property
    def behind(self) -> bool:
        """Whether the last step left users whose start was due, for want of ``starts`` or of room in the batch."""
        core = self._core
        return bool(core["next_start"] <= self._now)

    @property
    def memory_per_user(self) -> int:
        """Bytes that grow with each user."""
        return int(self._users.itemsize + self._core["value_stride"])

    def step(
        self,
        now_ns: int,
        records: Records = _NO_RECORDS,
        samples: Samples = _NO_SAMPLES,
        starts: int = STARTS_PER_STEP,
    ) -> Packets:
        """Serve records, timers and starts; ``consumed`` then holds how many records were taken.

        ``samples`` has the first bytes of each record's payload as a row, C-contiguous; without any it has no columns.
        A full batch leaves the rest of the records to the next call, which the caller makes with them at once.
        """
        self._now = now = (now_ns - self.epoch_ns) // 1000
        if samples.size:
            bind(self._core, "samples", samples)
        rows = records.view(np.recarray) if PLAIN_PYTHON else records
        self.consumed = steps.step(self._cores, rows, samples.shape[1], now, self.epoch_ns, starts)
        return self._packets[: self._core["packet_count"]]

    def allow(self, packets: int, sessions: int = NEVER, turn_us: int = 0) -> None:
        """The next steps give so many packets, and at most RESERVE more that one event must answer at once.

        Args:
            sessions: that may begin in them, also of who comes back.
            turn_us: after that long a user that comes back and may not asks again.
        """
        self._core["packet_room"] = min(len(self._packets), max(packets, 1) + RESERVE)
        self._core["openings"], self._core["turn"] = sessions, turn_us

    @property
    def away(self) -> int:
        """Users that will come back and are not there."""
        return int(self._core["away"])

    def abort(self, now_ns: int) -> tuple[Packets, bool]:
        """Reset every open connection: a batch of packets, and whether it was the last."""
        done = steps.abort_users(self._cores, (now_ns - self.epoch_ns) // 1000)
        return self._packets[: self._core["packet_count"]], bool(done)

    def note_refused(self, rows: npt.NDArray[np.uint32]) -> None:
        """This host refused to send packets of these users: should they time out, it is not the server's fault."""
        self._users["marks"][rows] |= np.uint8(Mark.REFUSED)

    def place(self, row: int, loop: int) -> tuple[IPv4Address | IPv6Address, int]:
        """The forged address and port of a user in one of its loops."""
        hi, lo, port = steps.place(self._cores, row, loop)
        value = int(hi) << 64 | int(lo)
        return (IPv4Address(value & MASK) if value >> 32 == 0xFFFF else IPv6Address(value)), int(port)

    def number(self, row: int) -> int:
        """The number in the whole run of a user of this engine, as ``core.user_number``."""
        return row * self._plan.shares + self._plan.share

    @property
    def size(self) -> int:
        """Users of this engine."""
        return len(self._users)

    def rows_of(self, numbers: Sequence[int]) -> list[int]:
        """The rows here of users by their numbers in the whole run; those of other engines are left out."""
        plan = self._plan
        return [number // plan.shares for number in numbers if number % plan.shares == plan.share]

    def loops(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """In which loop these users are."""
        loops: npt.NDArray[np.int64] = self._users["loop"][rows].astype(np.int64)
        return loops

    def failures(self, rows: npt.NDArray[np.int64]) -> list[tuple[int, int, str]]:
        """Of these users those with a failed session: row, the latest loop that may be it, the reason if known."""
        reasons = list(FAILURES)
        found = []
        for row in rows[self._users["outcome"][rows] & Before.FAILED != 0]:
            outcome, loop = int(self._users["outcome"][row]) & OUTCOME, int(self._users["loop"][row])
            known = outcome >= FAILED
            found.append(
                (int(row), loop if known or not loop else loop - 1, reasons[outcome - FAILED] if known else "failed")
            )
        return found

    def idle_ns(self, now_ns: int, most_ns: int = 50_000_000) -> int:
        """How long nothing is due, at most ``most_ns``."""
        core = self._core
        ahead = int(steps.next_tick(self._cores, most_ns // 1000 >> TICK_SHIFT))
        deadline_us = (int(core["tick"]) + ahead) << TICK_SHIFT
        if core["draining"]:
            if core["drained"] < core["started"]:
                return 0
        else:
            deadline_us = min(deadline_us, int(core["next_start"]), int(core["until"]))
        return min(max(deadline_us * 1000 - (now_ns - self.epoch_ns), 0), most_ns)


def _field_columns(script: Script, plan: Plan, batch: int) -> dict[str, npt.NDArray[Any]]:
    """What the per-user fields need."""
    fields = script.fields
    if len(fields.rows) and len(script.payload) - fields.scratch < scratch_bytes(batch, plan.mtu):
        raise ValueError("the script's scratch area is too small for a batch")
    return {
        "payload": script.payload,
        "fields": fields.rows,
        "texts": fields.texts,
        "slots": fields.slots,
        "values": np.zeros(plan.rows * fields.stride, np.uint8),
    }


def _set_up(core: Any, plan: Plan, epoch_ns: int) -> None:
    """The run's settings as the kernels read them."""
    core["share"], core["shares"], core["everybody"] = plan.share, plan.shares, plan.users
    core["spacing"], core["stretch_count"] = plan.arrivals.spacing, len(plan.arrivals.ramp)
    core["recorded_count"], core["period"] = len(plan.arrivals.starts_us), plan.arrivals.period_us
    core["arrival_seed"] = plan.seed & 0x7FFFFFFF
    core["loops"] = plan.loops or NEVER
    core["openings"] = NEVER
    core["until"] = NEVER if plan.duration_s is None else int(plan.duration_s * 1e6)
    core["wanted_count"], core["wall_clock"] = len(plan.wanted.rows), plan.wall_ns // 1000
    core["timeout"] = int(plan.timeout_s * 1e6)
    core["mtu"] = plan.mtu
    core["headers"] = 40 if plan.ip_version == 4 else 60
    core["generation"] = plan.generation
    core["isn_clock"] = epoch_ns // 4000 & MASK  # RFC 6528: a tick every 4 us
    core["ts_clock"] = epoch_ns // 1_000_000 & MASK
