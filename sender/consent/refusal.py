"""Why a run does not start: nobody has answered its SYNs; the likeliest causes, each with what mends it."""

from __future__ import annotations

from collections.abc import Sequence

from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.policy import show_service
from gryphon.sender.check.canary import Outcome
from gryphon.sender.check.course import flight
from gryphon.sender.check.explain import causes, where_to_look
from gryphon.sender.check.facts import Asked, Facts
from gryphon.sender.check.flight import Cause
from gryphon.sender.check.gather import gather_quick
from gryphon.sender.consent.probes import PATIENCE_NS, Probe
from gryphon.sender.intercepts import Place

MOST_CAUSES = 3


def silence(silent: Sequence[Probe], tried: int, grants: Sequence[str], places: Sequence[Place]) -> EnvironmentFault:
    """The fault of a run whose SYNs were not all answered."""
    pair = silent[0].pair
    more = f" ({len(silent)} of {tried} SYNs are without one)" if tried > 1 else ""
    sentence = (
        f"no consent, no traffic: {'; '.join(grants)} saw no answer of {show_service(pair.service)} to "
        f"{pair.address} in {PATIENCE_NS / 1e9:g} s{more}, so the run does not start"
    )
    return _explained(sentence, Outcome.SILENT, silent[0], grants[0], places)


def passed_by(seen: Cause, grants: Sequence[str]) -> EnvironmentFault:
    """The fault of a run whose answers this host has seen where nobody drops them."""
    sentence = f"no consent, no traffic: {'; '.join(grants)} is not where answers come by, so the run does not start"
    return EnvironmentFault(f"{sentence}\n{seen.sentence}  ->  {seen.mend}")


def not_sent(probe: Probe, error: str, grants: Sequence[str], places: Sequence[Place]) -> EnvironmentFault:
    """The fault of a run whose first packet this host refused to send."""
    sentence = (
        f"this host refused to send a SYN from {probe.pair.address} to {show_service(probe.pair.service)} ({error}), "
        "so the run does not start"
    )
    return _explained(sentence, Outcome.NOT_SENT, probe, grants[0], places, error)


def _explained(
    sentence: str, outcome: Outcome, probe: Probe, grant: str, places: Sequence[Place], error: str = ""
) -> EnvironmentFault:
    """The sentence, and below it a line for each cause."""
    pair = probe.pair
    known = _facts(probe, places)
    flown = flight(pair.service, pair.network, places[0], grant, known, error)
    lines = [f"{n}. {c.sentence}  ->  {c.mend}" for n, c in enumerate(causes(outcome, flown)[:MOST_CAUSES], 1)]
    if look := where_to_look(outcome, flown):
        lines.append(look)
    return EnvironmentFault("\n".join([sentence, *lines]))


def _facts(probe: Probe, places: Sequence[Place]) -> Facts:
    """What this host knows of the way; nothing where it cannot be asked."""
    asked = Asked(
        networks=(probe.pair.network,),
        services=(probe.pair.service,),
        intercepts=tuple(place.host for place in places if place.host),
    )
    try:
        return gather_quick(asked)
    except Exception:  # pyroute2 has errors of its own, and the causes are there without it
        return Facts()
