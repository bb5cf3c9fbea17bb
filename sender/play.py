"""One engine's run against the wire, and what is known of it when it is over."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gryphon.controller.ended import Ended
from gryphon.controller.errors import InputFault
from gryphon.controller.quota import Quota
from gryphon.controller.source import Clock, Status
from gryphon.sender.divide import Share
from gryphon.sender.intercepts import Intercepts
from gryphon.sender.loop import Loop, Stopping
from gryphon.sender.pace import PacedLoop
from gryphon.sender.prepare import Prepared
from gryphon.sender.processor import Processor
from gryphon.sender.replay.engine import Engine, Plan
from gryphon.sender.replay.measures import Counter, Histogram, Measures
from gryphon.sender.results.lateness import WhileLate
from gryphon.sender.results.verdict import Ending
from gryphon.sender.trace.tape import Tape, Traced
from gryphon.sender.transmit.choose import Sending
from gryphon.sender.transmit.interface import SendError
from gryphon.sender.troubles import troubles

LAST_ANSWERS_S = 0.2
"""After the last connection ended, answers on their way are still dropped before a local interception goes."""


HEAD_START_NS = 50_000_000
"""The run's time 0 lies so far ahead of its preparation, for each process: the first users are not late."""


@dataclass(frozen=True)
class Outcome:
    """How an engine's run ended; it can be pickled."""

    ending: Ending
    ended_ns: int  # CLOCK_MONOTONIC
    clean: bool  # every user that started came to its recorded end
    lost: str | None  # why the grant ended
    refused: Mapping[str, SendError]
    examples: Sequence[Mapping[str, Any]]
    statuses: Sequence[Status]  # of each intercept
    clocks: Sequence[Clock]
    notes: list[str] = field(default_factory=list)  # what stays behind
    traced: Sequence[Traced] = ()
    while_late: WhileLate = field(default_factory=WhileLate)
    private_bytes: int = 0  # memory of this process alone, where it is one of several


def await_start(engine: Engine, epoch_ns: int) -> None:
    """Sleep until the run's time 0, with nothing left to do then that takes milliseconds.

    Python's full collection would find all that was loaded; the engine's first step loads its code.
    """
    engine.step(epoch_ns - 1_000_000)
    gc.freeze()
    time.sleep(max(epoch_ns - time.monotonic_ns(), 0) / 1e9)


def play(
    engine: Engine,
    prepared: Prepared,
    sending: Sending,
    intercepts: Intercepts,
    every_second: Callable[[int], None],
    stop: Stopping,
) -> Outcome:
    """Run the engine to its end and close the intercepts."""
    options = prepared.options
    judged_ns = engine.epoch_ns + round(options.warmup_s * 1e9)
    processor = Processor(engine.histograms[Histogram.LATENESS], judged_ns, len(prepared.shares))
    tape = Tape(engine, prepared.script, options.trace, options.trace_users) if options.is_traced else None

    def look(now_ns: int) -> None:
        processor.look(now_ns, loop.device_ns, loop.pace.held_ns if isinstance(loop, PacedLoop) else 0)

    def tick(now_ns: int) -> None:
        every_second(now_ns)
        if isinstance(loop, PacedLoop):
            loop.pace.allow_packets(intercepts.packets_s(), now_ns)
        look(now_ns)
        if tape is not None:
            tape.look()

    parts = (engine, sending.transmitter, intercepts, tick, stop, tape)
    loop = Loop(*parts) if intercepts.quota == Quota() else PacedLoop(intercepts.quota, *parts)
    ending = loop.run()
    look(loop.ended_ns)
    statuses = [intercept.status() for intercept in intercepts.opened]
    clocks = [intercept.clock() for intercept in intercepts.opened]
    clean = ending is Ending.FINISHED and bool(engine.counters[Counter.COMPLETED] == engine.counters[Counter.STARTED])
    if clean:
        _await_last_answers(intercepts)
    return Outcome(
        ending=ending,
        ended_ns=loop.ended_ns,
        clean=clean,
        lost=None if loop.lost is None else str(loop.lost),
        refused=sending.transmitter.errors(),
        examples=troubles(engine, prepared.recording),
        traced=tape.finish() if tape is not None else [],
        statuses=statuses,
        while_late=processor.while_late,
        clocks=clocks,
        notes=[
            *(loop.pace.notes() if isinstance(loop, PacedLoop) else []),
            *intercepts.close(clean, how_ended(ending, clean)),
        ],
    )


def how_ended(ending: Ending, clean: bool) -> Ended:
    """For the logs of both sides."""
    endings = {Ending.INTERRUPTED: Ended.INTERRUPTED, Ending.GRANT_LOST: Ended.LOST, Ending.ENDED_EARLY: Ended.EARLY}
    return endings.get(ending, Ended.OVER if clean else Ended.INCOMPLETE)


def new_engine(
    prepared: Prepared, share: Share, generation: int, epoch_ns: int, measures: Measures | None = None
) -> Engine:
    """The users of a share.

    Args:
        generation: of the grant, as it stands in the records.
        epoch_ns: CLOCK_MONOTONIC at the run's time 0.
        measures: where to count.
    """
    options = prepared.options
    plan = Plan(
        users=options.users,
        share=share.number,
        shares=share.of,
        arrivals=prepared.arrivals,
        blocks=share.pool.blocks(),
        services=list(range(len(prepared.transfers.services))),
        generation=generation,
        timeout_s=options.timeout_s,
        mtu=options.mtu,
        ip_version=share.pool.version,
        mode=options.mode,
        seed=options.seed,
        loops=options.loops,
        duration_s=options.duration_s,
        wanted=prepared.wanted,
        wall_ns=time.time_ns() - time.monotonic_ns() + epoch_ns,
    )
    try:
        return Engine(prepared.script, plan, epoch_ns, measures=measures)
    except MemoryError as error:
        raise InputFault(f"-u {options.users}: this host has not enough memory for so many users") from error


def _await_last_answers(intercepts: Intercepts) -> None:
    """Go on reading, and so renewing the lease, while the last packets are on their way."""
    until = time.monotonic() + LAST_ANSWERS_S
    while (left := until - time.monotonic()) > 0:
        intercepts.wait(left)
        intercepts.read()
