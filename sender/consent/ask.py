"""Asks for consent with the run's own transmitter and grants: without an answer to every SYN no user sends anything."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence

from gryphon.controller.ended import Ended
from gryphon.controller.errors import GrantLost
from gryphon.sender.check.exchange import read_last, send_all
from gryphon.sender.check.passing import Passing
from gryphon.sender.consent.pairs import choose_pairs, count_pairs
from gryphon.sender.consent.probes import Probes
from gryphon.sender.consent.refusal import not_sent, passed_by, silence
from gryphon.sender.consent.shown import Shown
from gryphon.sender.intercepts import Intercepts, Place, wait_for
from gryphon.sender.prepare import Prepared
from gryphon.sender.transmit.interface import Transmitter

log = logging.getLogger("gryphon")

_TURN_S = 0.05  # a channel is read at least so often
_HEADERS = {4: 40, 6: 60}  # of IP and TCP, which the MSS leaves out (RFC 9293, 3.7.1)


def ask_consent(
    prepared: Prepared, places: Sequence[Place], sources: Sequence[Intercepts], transmitter: Transmitter
) -> Shown:
    """Send one SYN for each server and range, and wait until the intercepts that granted them saw all answers.

    A connection that a server opened is reset at once: no application hears of it. On any fault the grants are given
    back as after a clean run: nothing is under way.

    Args:
        sources: the open intercepts of each share of the users.
        transmitter: the run's own.

    Raises:
        EnvironmentFault: an answer is missing, or the SYN could not be sent, with the causes; GrantLost.
    """
    try:
        return _ask(prepared, places, sources, transmitter)
    except BaseException:
        for source in sources:
            source.close(clean=True, how=Ended.UNSTARTED)
        raise


def _ask(prepared: Prepared, places: Sequence[Place], sources: Sequence[Intercepts], transmitter: Transmitter) -> Shown:
    """The same without the end."""
    pools = [share.pool for share in prepared.shares]
    services = prepared.transfers.services
    pairs = choose_pairs(services, pools, random.SystemRandom())
    probes = Probes(pairs, prepared.options.mtu - _HEADERS[pools[0].version])
    grants = [intercept.grant.intercept for intercept in sources[0].opened]
    networks = [network for pool in pools for network in pool.networks]
    try:
        with Passing(places, services, networks) as passing:
            error = _fly(probes, sources, transmitter, passing, grants)
    except GrantLost:
        raise  # without a grant nothing is sent
    except BaseException:
        send_all(transmitter, probes.end())
        raise
    silent = probes.silent
    if silent:
        send_all(transmitter, probes.end())
        read_last(sources)
        raise not_sent(silent[0], error, grants, places) if error else silence(silent, len(pairs), grants, places)
    shown = Shown(probes.all, count_pairs(services, pools)[1], grants)
    log.info("%s", shown.line())
    return shown


def _fly(
    probes: Probes, sources: Sequence[Intercepts], transmitter: Transmitter, passing: Passing, grants: Sequence[str]
) -> str:
    """Until all are answered, patience is over, or this host refuses to send: then the name of the errno.

    Raises:
        EnvironmentFault: this host has seen an answer where it is not dropped.
    """
    before = dict(transmitter.errors())
    while True:
        now = time.monotonic_ns()
        send_all(transmitter, probes.look(now))
        refused = [name for name, error in transmitter.errors().items() if error != before.get(name)]
        if refused or probes.over(now):
            return refused[0] if refused else ""
        wait_for([intercept for source in sources for intercept in source.opened], _TURN_S)
        for share, source in enumerate(sources):
            records = source.read().records
            seen = passing.look(records, time.monotonic_ns())
            if seen is not None:
                raise passed_by(seen, grants)
            ours = records[records["generation"] == source.generation]
            send_all(transmitter, probes.take(share, ours))
