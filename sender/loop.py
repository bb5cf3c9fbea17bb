"""The run's loop: records in, one step of the engine, packets out; sleep only when nothing is due."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from gryphon.controller.errors import GrantLost
from gryphon.sender.replay.engine import STARTS_PER_STEP
from gryphon.sender.results.verdict import Ending

if TYPE_CHECKING:
    from gryphon.sender.intercepts import Intercepts
    from gryphon.sender.replay.engine import Engine
    from gryphon.sender.replay.packet import Packets
    from gryphon.sender.trace.tape import Tape
    from gryphon.sender.transmit.interface import Transmitter

SLICE_RECORDS = 4096
"""Records of one step: bounded, so that timers and new sessions are served in between."""

SHORTEST_SLEEP_NS = 100_000
"""A deadline nearer than that is met that much late: looking again and again costs more than it is worth."""

TURN_NS = 300_000
"""Under load a turn takes at least this long: what has gathered meanwhile is served at the price of one turn."""

DENSE_PACKETS = 4
"""So many packets in one turn are load; so are two turns with packets within TURN_NS."""

FEWEST_STARTS, MOST_STARTS = STARTS_PER_STEP, 1024
"""New sessions in one step: as few as that where all that were due have started, so that answers do not wait for them;
twice as many where some were left, since a turn costs the same with more to do."""

TICK_NS = 1_000_000_000
"""The meter is called once a second."""


class Stopping(Protocol):
    """Whether somebody wants the run to end."""

    @property
    def signals(self) -> int:
        """How often they said so; from the second time on nothing is waited for."""


class Stop:
    """SIGINT, SIGTERM and SIGHUP as a flag; the second one does not wait for the open connections' resets.

    A SIGHUP that is ignored (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self.signals = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Stop:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1


class Loop:
    """One run of an engine against the wire.

    Args:
        engine: the users.
        transmitter: where packets go.
        intercepts: where records come from.
        meter: called once a second with the time in nanoseconds (CLOCK_MONOTONIC).
        stop: whether somebody wants the run to end.
        tape: told of every packet, both ways.

    Attributes:
        device_ns: how long the run has waited for a device that took nothing more.
    """

    def __init__(
        self,
        engine: Engine,
        transmitter: Transmitter,
        intercepts: Intercepts,
        meter: Callable[[int], None],
        stop: Stopping,
        tape: Tape | None = None,
    ) -> None:
        self._engine = engine
        self._transmitter = transmitter
        self._intercepts = intercepts
        self._meter = meter
        self._stop = stop
        self._tape = tape
        self._busy_ns = 0  # when the last turn with something to do began
        self._starts = FEWEST_STARTS
        self.lost: GrantLost | None = None
        self.ended_ns = 0
        self.device_ns = 0

    def run(self) -> Ending:
        """Until every user's connection has ended, somebody interrupts, or the grant is lost."""
        ending = Ending.FINISHED
        next_tick = time.monotonic_ns() + TICK_NS
        try:
            while not self._engine.finished:
                if self._stop.signals:
                    ending = Ending.INTERRUPTED
                    break
                now = self._turn()
                if now >= next_tick:
                    self._meter(now)
                    next_tick += TICK_NS * max(1, (now - next_tick) // TICK_NS + 1)
            if ending is Ending.INTERRUPTED:
                self._reset_users()
        except GrantLost as lost:
            # without a grant nothing may be sent, not even resets: the run ends where it stands
            self.lost = lost
            ending = Ending.GRANT_LOST
        self.ended_ns = time.monotonic_ns()
        return ending

    def _turn(self) -> int:
        """One round; the time it began."""
        records, samples = self._intercepts.read()
        if self._tape is not None:
            self._tape.heard(records)
        begun = now = time.monotonic_ns()
        events = len(records)
        while True:
            packets = self._engine.step(now, records[:SLICE_RECORDS], samples[:SLICE_RECORDS], self._starts)
            records, samples = records[self._engine.consumed :], samples[self._engine.consumed :]
            events += len(packets)
            if len(packets):
                self._send(packets)
            if len(records) == 0:
                break
            now = time.monotonic_ns()
        self._adapt()
        if events == 0:
            self._wait_for_work()
        else:
            self._gather(begun, events)
        return now

    def _adapt(self) -> None:
        """Start more users in a turn where some have to wait."""
        if self._engine.behind:
            self._starts = min(2 * self._starts, MOST_STARTS)
        else:
            self._starts = max(self._starts // 2, FEWEST_STARTS)

    def _wait_for_work(self) -> None:
        """Nothing was to do: sleep until the next deadline or record."""
        idle = self._engine.idle_ns(time.monotonic_ns())
        self._intercepts.wait(max(idle, SHORTEST_SLEEP_NS) / 1e9)

    def _gather(self, begun: int, events: int) -> None:
        """Under load, let work gather for the rest of the turn; alone, an event is answered at once."""
        dense = events >= DENSE_PACKETS or begun - self._busy_ns < TURN_NS
        self._busy_ns = begun
        left = begun + TURN_NS - time.monotonic_ns()
        if dense and left > 0:
            time.sleep(left / 1e9)

    def _send(self, packets: Packets) -> None:
        """Offer the batch until all of it is taken; back-pressure slows the whole run down."""
        if self._tape is not None:
            self._tape.sent(time.monotonic_ns(), packets)
        taken = self._transmitter.send(packets)
        while taken < len(packets) and self._stop.signals < 2:
            since = time.monotonic_ns()
            self._transmitter.wait_writable(0.01)
            self.device_ns += time.monotonic_ns() - since
            self._intercepts.keep()  # what waits for the device must not leave without a grant
            taken += self._transmitter.send(packets[taken:])
        refused = self._transmitter.refused_rows()
        if len(refused):
            self._engine.note_refused(refused)

    def _reset_users(self) -> None:
        """Reset every open connection, unless a second signal asks to leave at once."""
        done = False
        while not done and self._stop.signals < 2:
            self._intercepts.keep()
            packets, done = self._engine.abort(time.monotonic_ns())
            self._send(packets)
