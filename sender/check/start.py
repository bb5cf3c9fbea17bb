"""The quick checks at the start of a run: a few milliseconds, a line of warning each, and silence where all is well."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from gryphon.sender.check import assistant_points, range_points, sender_points
from gryphon.sender.check.facts import Asked
from gryphon.sender.check.gather import gather_quick
from gryphon.sender.check.point import Point, judge
from gryphon.sender.check.roles import with_roles
from gryphon.sender.intercepts import Place
from gryphon.sender.ranges import Pool
from gryphon.sender.transfers import Transfers

log = logging.getLogger("gryphon")

START_POINTS = (
    Point("forged range", "sender", range_points.overlap),
    Point("route to the server", "sender", sender_points.route),
    Point("conntrack", "sender", sender_points.tracked),
    Point("route of the range", "server", range_points.route),
    Point("ip_forward", "assistant", assistant_points.forwarding),
)
"""What costs nothing to ask, and would spoil a run on this host."""


def warn_before(transfers: Transfers, pool: Pool, places: Sequence[Place], users: int, way: str) -> None:
    """Warn of what is to mend; the run goes on whatever comes of it.

    Args:
        way: how packets leave: raw, link or xdp.
    """
    asked = Asked(
        roles=("sender",),
        networks=pool.networks,
        services=transfers.services,
        intercepts=tuple(place.host for place in places if place.host),
        local=tuple((place.hook, place.interface) for place in places if place.hook),
        users=users,
        past_netfilter=way != "raw",
    )
    try:
        found = warnings(asked)
    except Exception as error:  # pyroute2 has errors of its own; a check that cannot be made is no reason not to run
        log.info("the checks at the start could not be made: %s", error)
        return
    for sentence in found:
        log.warning("%s", sentence)


def warnings(asked: Asked) -> list[str]:
    """A sentence for each point that is to mend, with the command."""
    facts = gather_quick(asked)
    if any(hook == "tc" for hook, _ in asked.local) and any(path.local for path in facts.servers.values()):
        asked = replace(asked, roles=("sender", "server"))
    rows = judge(START_POINTS, facts, with_roles(asked, facts))
    return [f"{row.finding.seen}: {row.finding.mend} (gryphon check says more)" for row in rows if row.bad]
