"""The quota of a grant, kept to by the run's loop: packets a second, and new sessions with those of who comes back."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from gryphon.controller.buckets import Bucket
from gryphon.controller.quota import Quota
from gryphon.sender.intercepts import Batch
from gryphon.sender.loop import SLICE_RECORDS, Loop
from gryphon.sender.replay.measures import Counter

_PACKETS_BURST_S, _SESSIONS_BURST_S = 0.05, 1.0
_LEAST_BURST = 32.0
_LONGEST_SLEEP_NS = 20_000_000
_MOMENT_NS = 500_000
_AMPLE = 1 << 30
_PACKETS_OF_A_START = 8
"""To be there when a user starts: a SYN alone is followed by what the handshake and the first answer take."""
_SHORTEST_TURN_S, _LONGEST_TURN_S = 0.005, 4.0


class Pace:
    """How many packets may leave and sessions start now.

    Args:
        quota: of this process.
        now: CLOCK_MONOTONIC, nanoseconds, as in all calls.

    Attributes:
        held_ns: how long the run was held back so far.
    """

    def __init__(self, quota: Quota, now: int) -> None:
        self._packets = _bucket(quota.packets_s, _PACKETS_BURST_S, now)
        self._sessions = _bucket(quota.sessions_s, _SESSIONS_BURST_S, now)
        self.held_ns = 0

    def allow_packets(self, packets_s: float | None, now: int) -> None:
        """The share of this grant is another now."""
        if packets_s is not None and (self._packets is None or self._packets.rate != packets_s):
            self._packets = _bucket(packets_s, _PACKETS_BURST_S, now)

    def room(self, now: int) -> int:
        """Packets that may leave now."""
        return _tokens(self._packets, now)

    def sessions(self, now: int) -> int:
        """Sessions that may start now, also of who comes back."""
        return _tokens(self._sessions, now)

    def turn_us(self, away: int) -> int:
        """When one of so many users that wait to come back is to ask again: as they would get through one by one."""
        rates = [self._sessions.rate] if self._sessions is not None else []
        rates += [self._packets.rate / _PACKETS_OF_A_START] if self._packets is not None else []
        turn_s = away / min(rates, default=1.0)
        return round(min(max(turn_s, _SHORTEST_TURN_S), _LONGEST_TURN_S) * 1e6)

    def starts(self, now: int) -> int:
        """Sessions that may begin now, also of who comes back: none while packets are short, else few at a time.

        Each will need many more, and those that are connected come first. Were all served alike, answers would wait for
        their acknowledgement until the server sends them again, and the packets go into acknowledging that.
        """
        if self._packets is None:
            return self.sessions(now)
        spare = self._packets.level(now) - self._packets.burst / 2
        return min(self.sessions(now), max(int(spare / _PACKETS_OF_A_START), 1)) if spare >= 0 else 0

    def spend(self, now: int, packets: int, sessions: int) -> None:
        """So many have left and started."""
        for bucket, tokens in ((self._packets, packets), (self._sessions, sessions)):
            if bucket is not None:
                bucket.spend(now, tokens)

    def hold(self, now: int) -> None:
        """Sleep until there may be room; 20 ms at most, since the grant has to be kept."""
        wait = min(self._packets.wait_ns(now) if self._packets is not None else 0, _LONGEST_SLEEP_NS)
        self.held_ns += wait
        time.sleep(wait / 1e9)

    def hold_starts(self) -> None:
        """Sleep for a moment while somebody might start, but for the packets."""
        self.held_ns += _MOMENT_NS
        time.sleep(_MOMENT_NS / 1e9)

    def notes(self) -> list[str]:
        """What is worth saying of it at the end."""
        if self.held_ns < 10_000_000:
            return []
        held = self.held_ns / 1e9
        shown = "lateness and latencies since due have that in them"
        return [f"the intercept's limits held this run back for {held:,.1f} s in all: {shown}"]


class PacedLoop(Loop):
    """A run's loop with a quota: a step fills no larger batch than may leave, and what comes in meanwhile waits."""

    def __init__(self, quota: Quota, *arguments: Any, **more: Any) -> None:
        """See ``Loop``."""
        super().__init__(*arguments, **more)
        self.pace = Pace(quota, time.monotonic_ns())
        self._waiting: deque[Batch] = deque()
        self._started = 0

    def _turn(self) -> int:
        """One round; the time it began."""
        batch = self._intercepts.read()
        if self._tape is not None:
            self._tape.heard(batch.records)
        now = time.monotonic_ns()
        if len(batch.records) or not self._waiting:
            self._waiting.append(batch)
        room = self.pace.room(now)
        if room <= 0:
            self.pace.hold(now)
            return now
        taken, sent = self._serve(now, room)
        self._adapt()
        if not taken and not sent and self._engine.behind:
            self.pace.hold_starts()
        elif not taken and not sent:
            self._wait_for_work()
        elif not self._waiting:
            self._gather(now, taken + sent)
        return now

    def _serve(self, now: int, room: int) -> tuple[int, int]:
        """One step of the engine: records taken, packets sent."""
        records, samples = self._waiting.popleft()
        openings = self.pace.starts(now)
        self._engine.allow(room, openings, self.pace.turn_us(self._engine.away))
        starts = 0 if len(records) > SLICE_RECORDS or self._waiting else min(self._starts, openings)
        packets = self._engine.step(now, records[:SLICE_RECORDS], samples[:SLICE_RECORDS], starts)
        taken = self._engine.consumed
        if taken < len(records):
            self._waiting.appendleft(Batch(records[taken:], samples[taken:]))
        self._spend(now, len(packets))
        if len(packets):
            self._send(packets)
        return taken, len(packets)

    def _spend(self, now: int, packets: int) -> None:
        started = int(self._engine.counters[Counter.SESSIONS_STARTED])
        self.pace.spend(now, packets, started - self._started)
        self._started = started

    def _reset_users(self) -> None:
        """Reset every open connection, at the pace; a second signal asks to leave at once."""
        done = False
        while not done and self._stop.signals < 2:
            self._intercepts.read()  # keeps the grant
            now = time.monotonic_ns()
            room = self.pace.room(now)
            if room <= 0:
                self.pace.hold(now)
                continue
            self._engine.allow(room)
            packets, done = self._engine.abort(now)
            self.pace.spend(now, len(packets), 0)
            self._send(packets)


def _tokens(bucket: Bucket | None, now: int) -> int:
    return _AMPLE if bucket is None else int(bucket.level(now))


def _bucket(rate: float | None, burst_s: float, now: int) -> Bucket | None:
    return None if rate is None else Bucket(rate, max(rate * burst_s, _LEAST_BURST), now)
