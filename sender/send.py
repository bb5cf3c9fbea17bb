"""``gryphon send``: from checked options to a result, every part opened in the order that loses nothing."""

from __future__ import annotations

import logging
import math
import os
import resource
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from gryphon.controller.errors import InputFault
from gryphon.controller.tokens import find_token
from gryphon.sender.intercepts import GENERATION, Intercepts, open_intercepts, parse_places
from gryphon.sender.loop import Loop, Stop
from gryphon.sender.meter import Meter
from gryphon.sender.options import SendOptions
from gryphon.sender.prepare import Prepared, prepare
from gryphon.sender.replay.engine import Engine, Plan
from gryphon.sender.replay.measures import Counter
from gryphon.sender.results.result import Result, RunFacts, build_result
from gryphon.sender.results.summary import summarize
from gryphon.sender.results.thresholds import parse_all
from gryphon.sender.results.verdict import Ending
from gryphon.sender.transmit.choose import Choice, Sending
from gryphon.sender.troubles import troubles
from gryphon.sender.verification import parse_verify

log = logging.getLogger("gryphon")

LAST_ANSWERS_S = 0.2
"""After the last connection ended, answers on their way are still dropped before a local interception goes."""


def run_send(options: SendOptions) -> int:
    """Replay a recording; the exit status.

    Raises:
        InputFault: something about the options or the capture.
        EnvironmentFault: no intercept, no grant, no permission.
    """
    thresholds = parse_all(options.fail_if)
    places = parse_places(options.intercept, options.port)
    token = find_token(options.token, options.token_file)
    _check_writable(options.json)
    prepared = prepare(options, parse_verify(options.verify, options.ignore, places))
    services, networks = prepared.transfers.services, prepared.pool.networks
    # left early, by a fault before the first packet or in the middle, every grant still ends
    with (
        open_intercepts(
            places, token.value if token else None, services, networks, options.xdp_mode, sample=prepared.sample
        ) as opened,
        _open_sending(prepared, opened) as sending,
    ):
        ending, facts, notes = _replay(prepared, sending, opened)
    result = build_result(facts, thresholds)
    return _report(result, options.json, ending, notes)


def _check_writable(path: str | None) -> None:
    """A result file that cannot be written is found out before the run, not after it."""
    if path is None or path == "-":
        return
    new = not Path(path).exists()
    try:
        with Path(path).open("a"):
            pass
    except OSError as error:
        raise InputFault(f"the result cannot be written to {path}: {error.strerror}") from error
    if new:
        Path(path).unlink()


def _open_sending(prepared: Prepared, intercepts: Intercepts) -> Sending:
    """The transmitter; where there is none, nothing was sent and nothing needs to go on being dropped."""
    try:
        return prepared.choice.open(prepared.script.payload)
    except BaseException:
        intercepts.close(clean=True)
        raise


def _replay(prepared: Prepared, sending: Sending, intercepts: Intercepts) -> tuple[Ending, RunFacts, list[str]]:
    """Run the engine against the wire and gather what is known at the end."""
    options = prepared.options
    started, epoch_ns = datetime.now(UTC), time.monotonic_ns()
    engine = _engine(prepared, epoch_ns)
    meter = Meter(engine, epoch_ns)
    log.info(
        "replaying as %d users from %s to %s, answers dropped by %s",
        options.users,
        options.clients,
        options.transfer,
        "; ".join(intercept.grant.intercept for intercept in intercepts.opened),
    )

    def every_second(now_ns: int) -> None:
        sending.look()
        meter.look(now_ns)

    with Stop() as stop:
        loop = Loop(engine, sending.transmitter, intercepts, every_second, stop)
        ending = loop.run()
        meter.finish(loop.ended_ns)
        duration_ns = loop.ended_ns - epoch_ns
        facts = _facts(prepared, engine, meter, intercepts, ending, started, duration_ns, sending.choice)
        notes = _close(engine, intercepts, ending)
    if loop.lost is not None:
        log.error("%s", loop.lost)
    for name, refused in sending.transmitter.errors().items():
        notes.append(f"this host refused {refused.packets} packets with {name}, such as {refused.example}")
    return ending, facts, notes


def _engine(prepared: Prepared, epoch_ns: int) -> Engine:
    """The users."""
    options = prepared.options
    plan = Plan(
        users=options.users,
        arrivals=prepared.arrivals,
        blocks=prepared.pool.blocks(),
        services=list(range(len(prepared.transfers.services))),
        generation=GENERATION,
        timeout_s=options.timeout_s,
        mtu=options.mtu,
        ip_version=prepared.pool.version,
        mode=options.mode,
        seed=options.seed,
        loops=options.loops,
        duration_s=options.duration_s,
        wanted=prepared.wanted,
        wall_ns=time.time_ns() - time.monotonic_ns() + epoch_ns,
    )
    try:
        return Engine(prepared.script, plan, epoch_ns)
    except MemoryError as error:
        raise InputFault(f"-u {options.users}: this host has not enough memory for so many users") from error


def _close(engine: Engine, intercepts: Intercepts, ending: Ending) -> list[str]:
    """End the grants; when every connection was closed, a local interception goes, otherwise it lingers."""
    everybody = ending is Ending.FINISHED and engine.counters[Counter.COMPLETED] == engine.counters[Counter.STARTED]
    if everybody:
        until = time.monotonic() + LAST_ANSWERS_S
        while (left := until - time.monotonic()) > 0:
            intercepts.wait(left)
            intercepts.read()
    return intercepts.close(clean=bool(everybody))


def _facts(
    prepared: Prepared,
    engine: Engine,
    meter: Meter,
    intercepts: Intercepts,
    ending: Ending,
    started: datetime,
    duration_ns: int,
    choice: Choice,
) -> RunFacts:
    """What the result is built of."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    statuses = [intercept.status() for intercept in intercepts.opened]
    clocks = [intercept.clock() for intercept in intercepts.opened]
    furthest = max(clocks, key=lambda clock: abs(clock.offset_ns))
    options = {name: value for name, value in asdict(prepared.options).items() if name not in ("token", "token_file")}
    return RunFacts(
        version=version("gryphon"),
        command=sys.argv,
        config=options | {name: str(value) for name, value in options.items() if name == "speed" or value == math.inf},
        started=started,
        duration_s=duration_ns / 1e9,
        ending=ending,
        users=prepared.options.users,
        counters=engine.counters,
        histograms=engine.histograms,
        recorded=prepared.recording.recorded,
        replayable=len(prepared.recording.sessions),
        rejected=prepared.recording.rejected,
        ring_lost=sum(status.counters.ring_full + status.channel_dropped for status in statuses),
        channel_delay_p99_us=max(status.delay_p99_us for status in statuses),
        clock_offset_us=furthest.offset_ns / 1e3,
        clock_uncertainty_us=max(clock.uncertainty_ns for clock in clocks) / 1e3,
        cpu_s=usage.ru_utime + usage.ru_stime,
        max_rss_bytes=usage.ru_maxrss * 1024,
        intercept_cpu_s=sum(status.cpu_s for status in statuses),
        http_status={code: int(number) for code, number in enumerate(engine.statuses) if number},
        transmit={"way": choice.way, "devices": choice.devices},
        examples=troubles(engine, prepared.recording),
        series=meter.series.rows(),
    )


def _report(result: Result, json: str | None, ending: Ending, notes: list[str]) -> int:
    """Summary to the terminal, JSON where it was asked for; the exit status."""
    if json not in (None, "-"):
        result.write(json)
    try:
        print(summarize(result.document, notes), end="", file=sys.stderr if json == "-" else sys.stdout, flush=True)
        if json == "-":
            result.write(json)
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough: the run's own status counts
    except OSError as error:
        _discard_output()
        raise InputFault(f"the result cannot be written to standard output: {error.strerror}") from error
    log.info("ended: %s, exit status %d", ending.value, result.exit_status)
    return result.exit_status


def _discard_output() -> None:
    """Let Python's own flush at the end of the process meet nobody."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
