"""``gryphon send``: from checked options to a result, every part opened in the order that loses nothing."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from gryphon.controller.ended import Ended
from gryphon.controller.privileges import give_up
from gryphon.controller.tls import trust
from gryphon.controller.tokens import find_token
from gryphon.sender.consent.ask import ask_consent
from gryphon.sender.facts import Run, gather, gravest, refused
from gryphon.sender.intents import intents, whole_intent
from gryphon.sender.intercepts import Intercepts, Place, open_intercepts, parse_places
from gryphon.sender.leaving import check_outputs, leave, outputs
from gryphon.sender.live.expected import expected_s
from gryphon.sender.live.view import live_view, wanted
from gryphon.sender.loop import Stop
from gryphon.sender.meter import Meter
from gryphon.sender.obey import obey
from gryphon.sender.options import SendOptions
from gryphon.sender.play import HEAD_START_NS, await_start, how_ended, new_engine, play
from gryphon.sender.prepare import Prepared, prepare
from gryphon.sender.rehearsal import describe
from gryphon.sender.results.progress import Progress
from gryphon.sender.results.result import build_result
from gryphon.sender.results.thresholds import parse_all
from gryphon.sender.shared_measures import SharedMeasures
from gryphon.sender.transmit.choose import Sending
from gryphon.sender.verification import parse_verify

log = logging.getLogger("gryphon")


def run_send(options: SendOptions) -> int:
    """Replay a recording; the exit status.

    Raises:
        InputFault: something about the options or the capture.
        EnvironmentFault: no intercept, no grant, no permission.
    """
    thresholds = parse_all(options.fail_if)
    places = parse_places(options.intercept, options.port, trust(options.tls_ca, options.tls_fingerprint))
    token = find_token(options.token, options.token_file)
    check_outputs(options)
    prepared = prepare(options, parse_verify(options.verify, options.ignore, places))
    secret = token.value if token else None
    if options.dry_run:
        return _rehearse(prepared, places, secret)
    measures = SharedMeasures(len(prepared.shares))
    with _exported(prepared, measures), _shown(prepared, measures):
        replay = _alone if len(prepared.shares) == 1 else _together
        run = replay(prepared, measures, places, secret)
    for lost in {outcome.lost for outcome in run.outcomes if outcome.lost is not None}:
        log.error("%s", lost)
    notes = list(run.notes)
    for name, error in refused(run.outcomes).items():
        notes.append(f"this host refused {error.packets} packets with {name}, such as {error.example}")
    result = build_result(gather(prepared, run), thresholds)
    packets = result.document["packets"]
    log.info(
        "ended: %s, exit status %d; %s packets sent, %s answers",
        run.ending.value,
        result.exit_status,
        f"{packets['sent']:,}",
        f"{packets['responses']:,}",
    )
    leave(result, prepared, run, notes)
    return result.exit_status


def _open_sending(prepared: Prepared, intercepts: Intercepts) -> Sending:
    """The transmitter; where there is none, nothing was sent and nothing needs to go on being dropped."""
    try:
        return prepared.choice.open(prepared.script.payload)
    except BaseException:
        intercepts.close(clean=True, how=Ended.UNSTARTED)
        raise


def _rehearse(prepared: Prepared, places: list[Place], token: str | None) -> int:
    """Say what the run would be, once every part of it has been opened; send nothing."""
    options = prepared.options
    services = prepared.transfers.services
    networks = [network for share in prepared.shares for network in share.pool.networks]
    grants = open_intercepts(
        places, token, services, networks, options.xdp_mode, sample=prepared.sample, intent=whole_intent(prepared)
    )
    with grants as intercepts:
        _open_sending(prepared, intercepts).transmitter.close()
        prepared = obey(prepared, [intercepts.quota])
        print(describe(prepared, intercepts, places), end="")
        intercepts.close(clean=True, how=Ended.REHEARSED)
    return 0


@contextmanager
def _exported(prepared: Prepared, measures: SharedMeasures) -> Iterator[None]:
    """The figures for Prometheus, where they are wanted."""
    if prepared.options.metrics is None:
        yield
        return
    from gryphon.sender.metrics.figures import Subject
    from gryphon.sender.metrics.serve import served

    with served(prepared.options.metrics, measures, Subject(prepared.options.users, prepared.choice.way)):
        yield


@contextmanager
def _shown(prepared: Prepared, measures: SharedMeasures) -> Iterator[None]:
    """The live view, where there is a terminal."""
    if not wanted(prepared.options.quiet, sys.stderr):
        yield
        return
    with live_view(measures, expected_s(prepared)):
        yield


def _meter(prepared: Prepared, measures: SharedMeasures, epoch_ns: int) -> Meter:
    """Looks once a second; says how far the run is where no live view does."""
    quiet = prepared.options.quiet or wanted(False, sys.stderr)
    measures.epoch_ns = epoch_ns
    return Meter(measures, epoch_ns, None if quiet else Progress(sys.stderr), prepared.options.warmup_s)


def _alone(prepared: Prepared, measures: SharedMeasures, places: list[Place], token: str | None) -> Run:
    """Replay in this process."""
    options, (share,) = prepared.options, prepared.shares
    services, networks = prepared.transfers.services, share.pool.networks
    # left early, by a fault before the first packet or in the middle, every grant still ends
    grants = open_intercepts(
        places, token, services, networks, options.xdp_mode, sample=prepared.sample, intent=whole_intent(prepared)
    )
    with grants as intercepts, _open_sending(prepared, intercepts) as sending:
        prepared = obey(prepared, [intercepts.quota])
        shown = ask_consent(prepared, places, [intercepts], sending.transmitter)
        started, epoch_ns = datetime.now(UTC), time.monotonic_ns() + HEAD_START_NS
        engine = new_engine(prepared, share, intercepts.generation, epoch_ns, measures.shares[0])
        meter = _meter(prepared, measures, epoch_ns)
        _log_start(options, [intercept.grant.intercept for intercept in intercepts.opened])

        def every_second(now_ns: int) -> None:
            sending.look()
            measures.ring_lost = sum(intercept.status().lost for intercept in intercepts.opened)
            meter.look(now_ns)

        with Stop() as stop:
            _give_up_privileges(prepared, places)
            await_start(engine, epoch_ns)
            outcome = play(engine, prepared, sending, intercepts, every_second, stop)
            meter.finish(outcome.ended_ns)
    return Run(
        started,
        epoch_ns,
        measures,
        [outcome],
        meter.series.rows(),
        sending.choice,
        [*shown.notes(), *outcome.notes],
        warm=meter.warm,
        canary=shown.document(),
    )


def _together(prepared: Prepared, measures: SharedMeasures, places: list[Place], token: str | None) -> Run:
    """Replay in several processes, which share the users and the forged range."""
    from gryphon.sender.team.intercepts import open_shared
    from gryphon.sender.team.run import Team, open_sendings

    options, shares = prepared.options, prepared.shares
    parts = [share.pool.networks for share in shares]
    services = prepared.transfers.services
    intercepts = open_shared(
        places, token, services, parts, options.xdp_mode, sample=prepared.sample, intents=intents(prepared)
    )
    clean, how = True, Ended.UNSTARTED  # until something is sent
    try:
        prepared = obey(prepared, intercepts.quotas)
        with ExitStack() as undo:
            sendings = open_sendings(prepared, len(shares), undo)
            sources = [intercepts.of(share.number) for share in shares]
            shown = ask_consent(prepared, places, sources, sendings[0].transmitter)
            team = Team(prepared, shares, intercepts, measures)
            _log_start(options, intercepts.names)
            clean, how = False, Ended.FAULT
            with Stop() as stop:
                _give_up_privileges(prepared, places)
                ahead = len(shares) * HEAD_START_NS
                started, epoch_ns = datetime.now(UTC), time.monotonic_ns() + ahead
                meter = _meter(prepared, measures, epoch_ns)
                outcomes = team.run(sendings, epoch_ns, meter, stop)
                meter.finish(max(outcome.ended_ns for outcome in outcomes))
            clean = all(outcome.clean for outcome in outcomes)
            how = how_ended(gravest(outcomes), clean)
            lost = intercepts.ring_full()
    finally:
        notes = intercepts.close(clean, how)
    notes += [*shown.notes(), *sorted({note for outcome in outcomes for note in outcome.notes})]
    return Run(
        started,
        epoch_ns,
        measures,
        outcomes,
        meter.series.rows(),
        sendings[0].choice,
        notes,
        lost,
        meter.warm,
        shown.document(),
    )


def _give_up_privileges(prepared: Prepared, places: list[Place]) -> None:
    """Everything is open: keep what the frames' neighbours, and a filter to be removed at the end, take."""
    filters = any(place.hook == "tc" for place in places)
    give_up(["CAP_NET_ADMIN"] if filters or prepared.choice.way != "raw" else [], outputs(prepared.options))


def _log_start(options: SendOptions, intercepts: list[str]) -> None:
    """A line about what begins."""
    log.info(
        "replaying as %d users from %s to %s, answers dropped by %s",
        options.users,
        options.clients,
        options.transfer,
        "; ".join(intercepts),
    )
