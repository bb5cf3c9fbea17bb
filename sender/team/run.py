"""The run of a team: the users shared among N processes, each with an engine, a transmitter and a ring of its own.

Processes, since Python's threads would wait for each other between the compiled parts. They are forked when all is
loaded, count into memory that this process looks at, and tell at the end how it went. This process sends nothing: it
renews the leases of a local interception, shows the progress, and ends the run of all when one cannot go on.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import cast

from gryphon.controller.errors import Fault, GrantLost
from gryphon.sender.divide import Share
from gryphon.sender.loop import TICK_NS, Stop
from gryphon.sender.meter import Meter
from gryphon.sender.play import Outcome, await_start, new_engine, play
from gryphon.sender.prepare import Prepared
from gryphon.sender.process import Bug, Process, private_bytes
from gryphon.sender.results.verdict import Ending
from gryphon.sender.shared_measures import SharedMeasures, Told
from gryphon.sender.team.intercepts import SharedIntercepts
from gryphon.sender.transmit.choose import Sending

_LOOK_S = 0.1


class Team:
    """The processes of one run.

    Args:
        prepared: what all of them replay.
        shares: which users each has.
        intercepts: where the answers of each are dropped.
        measures: where each counts.
    """

    def __init__(
        self, prepared: Prepared, shares: Sequence[Share], intercepts: SharedIntercepts, measures: SharedMeasures
    ) -> None:
        self._prepared = prepared
        self._shares = shares
        self._intercepts = intercepts
        self.measures = measures
        self._lost: GrantLost | None = None  # that of a local interception, which all share

    def run(self, sendings: Sequence[Sending], epoch_ns: int, meter: Meter, stop: Stop) -> list[Outcome]:
        """Replay until all have ended; how each did. ``Fault`` or ``Bug`` of the first that could not."""
        processes: list[Process] = []
        self.measures.looked_ns = time.monotonic_ns()
        try:
            for share, sending in zip(self._shares, sendings, strict=True):
                work = partial(self._play, share, sending, epoch_ns, os.getpid())
                processes.append(Process(work, processes))
            self._intercepts.hand_over()
            return self._watch(processes, epoch_ns, meter, stop)
        finally:
            self.measures.signals = max(self.measures.signals, 1)
            for process in processes:
                process.close()

    def _play(self, share: Share, sending: Sending, epoch_ns: int, parent: int) -> Outcome:
        """In one of the processes: its part of the run."""
        intercepts = self._intercepts.of(share.number)
        measures = self.measures.shares[share.number]
        engine = new_engine(self._prepared, share, intercepts.generation, epoch_ns, measures)
        with sending:
            await_start(engine, epoch_ns)
            told = Told(self.measures, parent)
            outcome = play(engine, self._prepared, sending, intercepts, lambda now: sending.look(), told)
        return replace(outcome, private_bytes=private_bytes())

    def _renew(self) -> None:
        """Keep the leases of a local interception; where it is gone no process may send, not even resets."""
        try:
            self._intercepts.renew()
        except GrantLost as lost:
            self._lost = self._lost or lost

    def _watch(self, processes: Sequence[Process], epoch_ns: int, meter: Meter, stop: Stop) -> list[Outcome]:
        """Until the last has said how it ended; meanwhile once a second the meter and the leases."""
        outcomes: dict[int, Outcome] = {}
        faults: list[BaseException] = []
        open_pipes = {process.pipe: number for number, process in enumerate(processes)}
        next_tick = epoch_ns + TICK_NS
        while open_pipes:
            ready = select.select(list(open_pipes), [], [], _LOOK_S)[0]
            for pipe in ready:
                number = open_pipes[pipe]
                if not processes[number].has_ended():
                    continue
                del open_pipes[pipe]
                try:
                    outcomes[number] = cast("Outcome", processes[number].result())
                except (Fault, Bug) as fault:
                    faults.append(fault)
            failed = bool(faults) or any(outcome.lost for outcome in outcomes.values())
            self.measures.signals = 2 if self._lost else max(stop.signals, int(failed))
            now = self.measures.looked_ns = time.monotonic_ns()
            _ = self.measures.counters  # sees the peak
            if now >= next_tick:
                self._renew()
                self.measures.ring_lost = self._intercepts.ring_full()
                meter.look(now)
                next_tick += TICK_NS * max(1, (now - next_tick) // TICK_NS + 1)
        if faults:
            raise faults[0]
        ended = [outcomes[number] for number in range(len(processes))]
        if self._lost is None:
            return ended
        return [replace(outcome, ending=Ending.GRANT_LOST, lost=str(self._lost), clean=False) for outcome in ended]


def open_sendings(prepared: Prepared, shares: int, undo: ExitStack) -> list[Sending]:
    """A transmitter for each process, closed here at the end: what they attached is shared."""
    sendings = []
    for _ in range(shares):
        sending = prepared.choice.open(prepared.script.payload)
        undo.callback(sending.transmitter.close)
        sendings.append(sending)
    return sendings
