"""``--dry-run``: everything up to the first packet, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gryphon.controller.source import Grant
from gryphon.sender.consent.pairs import count_pairs
from gryphon.sender.consent.shown import how_many
from gryphon.sender.intercepts import Intercepts, Place
from gryphon.sender.live.expected import expected_s, last_start_s
from gryphon.sender.prepare import Prepared
from gryphon.sender.results.human import number
from gryphon.sender.results.progress import clock


def describe(prepared: Prepared, intercepts: Intercepts, places: Sequence[Place]) -> str:
    """What the run would be, a line for each part of it, labels as in the summary."""
    lines = [
        *_sessions(prepared),
        *_users(prepared),
        f"schedule    {_schedule(prepared)}",
        f"packets     by {_way(prepared)}, at most {prepared.options.mtu:,} bytes",
        *(
            f"intercept   {_granted(intercept.grant, local=bool(place.hook))}"
            for intercept, place in zip(intercepts.opened, places, strict=True)
        ),
        f"canary      {_canary(prepared)}",
        "",
        "DRY RUN: nothing was sent, and the grants are given back",
        "",
    ]
    return "\n".join(lines)


def _sessions(prepared: Prepared) -> Iterator[str]:
    recording, script = prepared.recording, prepared.script
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in recording.rejected.items() if count)
    text = f"sessions    {recording.recorded:,} recorded, {len(recording.sessions):,} replayable"
    yield f"{text}, rejected: {rejected}" if rejected else text
    messages = len(script.entries) - len(script.sessions)  # each session has an end entry
    yield f"script      {messages:,} messages of {number(int(script.sessions['length'].sum()))} bytes in all"


def _users(prepared: Prepared) -> Iterator[str]:
    shares = prepared.shares
    addresses = sum(share.pool.addresses for share in shares)
    text = f"users       {prepared.options.users:,} from {prepared.options.clients} ({addresses:,} addresses)"
    yield text + (f", in {len(shares)} processes" if len(shares) > 1 else "")
    for port, service in prepared.transfers.targets.items():
        address, to = prepared.transfers.services[service]
        host = f"[{address}]" if address.version == 6 else str(address)
        yield f"server      what was recorded to port {port} goes to {host}:{to}"


def _schedule(prepared: Prepared) -> str:
    """When users start, and how long it takes."""
    options = prepared.options
    last, whole = last_start_s(prepared.arrivals, options.users), expected_s(prepared)
    starts = "all start at once" if last == 0 and options.users > 1 else f"the last starts after {clock(last)}"
    if math.isinf(last):
        starts = "not all of them ever start"
    speed = "without pauses" if math.isinf(options.speed) else f"pauses divided by {options.speed:g}"
    end = "until it is stopped" if whole is None else f"about {clock(whole)} in all"
    return f"{options.arrivals}; {starts}; {speed}; {end}"


def _way(prepared: Prepared) -> str:
    choice = prepared.choice
    return f"{choice.way} over {' and '.join(choice.devices)}" if choice.devices else f"{choice.way} sockets"


def _canary(prepared: Prepared) -> str:
    """What leaves before the first user."""
    tried, pairs = count_pairs(prepared.transfers.services, [share.pool for share in prepared.shares])
    asks = "each of which has to be answered" if tried > 1 else "which has to be answered"
    return f"{how_many(tried, pairs)} from the forged range before the first user, {asks}"


def _granted(grant: Grant, *, local: bool) -> str:
    """Who drops the answers, and how long after the run: one's own interception knows how the run has ended."""
    services: Sequence[int] = grant.services
    plural = "" if len(services) == 1 else "s"
    sample = f", {grant.sample} bytes of each answer" if grant.sample else ""
    return (
        f"{grant.intercept or 'a remote one'}: granted {len(services)} service{plural} and the whole range{sample}; "
        f"answers are dropped for {grant.linger_s:g} s after the run"
        + (", unless all of its users complete" if local else "")
    )
