"""Flies canaries: grants, one connection for each server and range, and what it comes to."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gryphon.controller.ended import Ended
from gryphon.controller.errors import EnvironmentFault, GrantLost
from gryphon.controller.forged import objection
from gryphon.controller.source import Service
from gryphon.sender.check.canary import Canary, Outcome
from gryphon.sender.check.course import flight as course
from gryphon.sender.check.exchange import read_last, send_all
from gryphon.sender.check.explain import causes, where_to_look
from gryphon.sender.check.facts import Facts
from gryphon.sender.check.flight import Cause, Flight
from gryphon.sender.check.passing import Passing
from gryphon.sender.intents import whose
from gryphon.sender.intercepts import Intercepts, Place, open_intercepts, taken_addresses
from gryphon.sender.ranges import Pool
from gryphon.sender.transmit.interface import Target, Transmitter

MOST = 4
"""Canaries of one check."""
_TURN_S = 0.02
_FIRST_PORT, _PORTS = 32_768, 28_233  # as the users have them (replay/addresses.py)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Flown:
    """One canary's end."""

    flight: Flight
    outcome: Outcome
    steps: tuple[str, ...]
    causes: tuple[Cause, ...]

    def document(self) -> dict[str, Any]:
        """As in the JSON."""
        return {
            "server": f"{self.flight.service[0]} port {self.flight.service[1]}",
            "range": str(self.flight.network),
            "intercept": self.flight.grant,
            "outcome": str(self.outcome),
            "steps": list(self.steps),
            "causes": [cause._asdict() for cause in self.causes],
        }


@dataclass(frozen=True)
class Request:
    """What the canaries need of the run that is to come."""

    services: Sequence[Service]
    pool: Pool
    places: Sequence[Place]
    token: str | None
    xdp_mode: Literal["auto", "native", "generic"]


def fly(request: Request, facts: Facts, tell: Tell) -> list[Flown]:
    """One canary after the other, each step told as it happens.

    Raises:
        InputFault: a remote intercept and no token.
    """
    said = objection(request.pool.networks, taken_addresses(request.services, request.places))
    if said:
        return [_grounded(request, Outcome.NOT_SENT, EnvironmentFault(said), tell)]
    try:
        intercepts = open_intercepts(
            request.places,
            request.token,
            request.services,
            request.pool.networks,
            request.xdp_mode,
            intent=whose(users=MOST, sessions_s=MOST),
        )
    except EnvironmentFault as fault:
        return [_grounded(request, Outcome.NO_GRANT, fault, tell)]
    try:
        for intercept in intercepts.opened:
            tell(f"granted: answers to {_listed(request.pool)} are dropped by {intercept.grant.intercept}")
        return _fly_all(request, intercepts, facts, tell)
    except GrantLost as lost:  # the intercept's host has seen where its answers go, or has gone
        return [_grounded(request, Outcome.NO_GRANT, lost, tell)]
    except EnvironmentFault as fault:  # no raw socket
        return [_grounded(request, Outcome.NOT_SENT, fault, tell)]
    finally:  # one connection, which is reset or interrupted: nothing for which an interception had to linger here
        intercepts.close(clean=True, how=Ended.CHECKED)


def _grounded(request: Request, outcome: Outcome, fault: EnvironmentFault, tell: Tell) -> Flown:
    """None flies."""
    tell(f"{outcome}: {fault}")
    return Flown(Flight(request.services[0], request.pool.networks[0]), outcome, (str(fault),), ())


def _fly_all(request: Request, intercepts: Intercepts, facts: Facts, tell: Tell) -> list[Flown]:
    """For each server and range, up to a bound."""
    plan = itertools.islice(itertools.product(enumerate(request.services), request.pool.networks), MOST)
    flown = []
    with closing(_transmitter(request.services)) as transmitter:
        for (index, service), network in plan:
            flight = course(service, network, request.places[0], intercepts.opened[0].grant.intercept, facts)
            with Passing(request.places, [service], [network]) as passing:
                flown.append(_fly(index, flight, request.pool, intercepts, transmitter, passing, tell))
    read_last([intercepts])
    return flown


def _listed(pool: Pool) -> str:
    """The ranges for people."""
    return ", ".join(map(str, pool.networks))


def _transmitter(services: Sequence[Service]) -> Transmitter:
    """Raw packets, compiled now if they never were."""
    from gryphon.sender.transmit.raw import RawTransmitter
    from gryphon.sender.warm import warm_up

    warm_up(("transmit",))
    targets = [Target(address, port, index) for index, (address, port) in enumerate(services)]
    return RawTransmitter(targets, np.zeros(64, np.uint8), 16)


def _fly(
    index: int,
    flight: Flight,
    pool: Pool,
    intercepts: Intercepts,
    transmitter: Transmitter,
    passing: Passing,
    tell: Tell,
) -> Flown:
    """One of them."""
    at = pool.networks.index(flight.network)
    address = flight.network[pool.first[at] - int(flight.network[0]) + random.randrange(pool.counts[at])]
    canary = Canary(address, _FIRST_PORT + random.randrange(_PORTS), index, random.getrandbits(32))
    before = dict(transmitter.errors())
    told = 0
    packets = canary.start(time.monotonic_ns())
    while True:
        send_all(transmitter, packets)
        refused = [name for name, error in transmitter.errors().items() if error != before.get(name)]
        if refused and canary.outcome is None:
            canary.refused_here(refused[0])
            flight = replace(flight, error=refused[0])
        for step in canary.steps[told:]:
            tell(step)
        told = len(canary.steps)
        if canary.outcome is not None:
            break
        intercepts.wait(_TURN_S)
        records = intercepts.read().records
        packets = canary.take(records, time.monotonic_ns())
        seen = passing.look(records, time.monotonic_ns())
        if seen is not None:
            flight = replace(flight, passes=seen)
            packets = canary.passed_by(seen.sentence)
        elif not len(packets):
            packets = canary.look(time.monotonic_ns())
    return _ended(canary, canary.outcome, flight, tell)


def _ended(canary: Canary, outcome: Outcome, flight: Flight, tell: Tell) -> Flown:
    """What it comes to, told."""
    found = causes(outcome, flight)
    for number, cause in enumerate(found, 1):
        tell(f"{number}. {cause.sentence}  ->  {cause.mend}")
    if look := where_to_look(outcome, flight):
        tell(look)
    return Flown(flight, outcome, tuple(canary.steps), tuple(found))
