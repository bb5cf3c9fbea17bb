"""``gryphon check``: what was asked, the facts of this host, the points, and the canary where a run is described."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from gryphon.controller.errors import InputFault
from gryphon.controller.tls import trust
from gryphon.controller.tokens import find_token
from gryphon.sender.check.canary import Outcome
from gryphon.sender.check.facts import Asked, Facts, Role
from gryphon.sender.check.fly import Flown, Request, fly
from gryphon.sender.check.gather import gather
from gryphon.sender.check.point import Row, judge
from gryphon.sender.check.points import POINTS
from gryphon.sender.check.roles import with_roles
from gryphon.sender.check.show import lines
from gryphon.sender.intercepts import Place, parse_places
from gryphon.sender.ranges import Pool, parse_pool
from gryphon.sender.transfers import Transfers, parse_transfers
from gryphon.sender.whole import write_whole

LACKING = 3
"""Exit status where something needed is missing, as for an EnvironmentFault."""


@dataclass(frozen=True)
class CheckOptions:
    """What the user asked for; texts as given."""

    roles: tuple[Role, ...] = ()
    interfaces: tuple[str, ...] = ()
    transfer: str | None = None
    clients: str | None = None
    intercept: str | None = None
    users: int | None = None
    port: int = 0
    xdp_mode: Literal["auto", "native", "generic"] = "auto"
    token: str | None = None
    token_file: Path | None = None
    tls_ca: Path | None = None
    tls_fingerprint: str | None = None
    json: str | None = None


@dataclass(frozen=True)
class Described:
    """The options, parsed; None for what was not given."""

    transfers: Transfers | None
    pool: Pool | None
    places: Sequence[Place]

    @property
    def flies(self) -> bool:
        """Whether there is all that a canary needs."""
        return bool(self.transfers and self.pool and self.places)


def run_check(options: CheckOptions) -> int:
    """Say how this host does; the exit status.

    Raises:
        InputFault: options of another form.
    """
    described = _describe(options)
    token = _token(options, described)
    asked = _asked(options, described)
    facts = gather(asked)
    asked = with_roles(asked, facts)
    rows = judge(POINTS, facts, asked)
    quiet = options.json == "-"
    if not quiet:
        print("\n".join(lines(rows, asked)), flush=True)
    flown = _fly(options, described, token, facts, quiet)
    broken = any(one.outcome is not Outcome.CONNECTED for one in flown)
    status = LACKING if broken or any(row.bad for row in rows) else 0
    _write(options.json, _document(asked, rows, flown, status))
    return status


def _token(options: CheckOptions, described: Described) -> str | None:
    """The token, found missing before anything takes time."""
    token = find_token(options.token, options.token_file)
    remote = next((place.host for place in described.places if place.host), None)
    if token is None and remote and described.flies:
        raise InputFault(
            f"no token for the intercept at {remote}: give the one it printed at its start, with --token, "
            "--token-file or GRYPHON_TOKEN; without -s this host is checked alone"
        )
    return token.value if token else None


def _fly(options: CheckOptions, described: Described, token: str | None, facts: Facts, quiet: bool) -> list[Flown]:
    """The canaries, where servers, ranges and intercepts are named."""
    if not described.transfers or not described.pool or not described.places:
        return []
    request = Request(described.transfers.services, described.pool, described.places, token, options.xdp_mode)
    return fly(request, facts, lambda step: None if quiet else print(f"canary: {step}", flush=True))


def _describe(options: CheckOptions) -> Described:
    """Each option by itself, and that they fit each other."""
    transfers = parse_transfers(options.transfer) if options.transfer else None
    pool = parse_pool(options.clients) if options.clients else None
    known = trust(options.tls_ca, options.tls_fingerprint)
    places = parse_places(options.intercept, options.port, known) if options.intercept else []
    if transfers and pool and transfers.version != pool.version:
        raise InputFault(
            f"the forged range {pool.networks[0]} is IPv{pool.version} and the server {transfers.services[0][0]} is "
            f"IPv{transfers.version}: give a range of the server's version with -c"
        )
    return Described(transfers, pool, places)


def _asked(options: CheckOptions, described: Described) -> Asked:
    """What the points want to know of the options."""
    return Asked(
        roles=options.roles,
        interfaces=options.interfaces,
        networks=described.pool.networks if described.pool else (),
        services=described.transfers.services if described.transfers else (),
        intercepts=tuple(place.host for place in described.places if place.host),
        local=tuple((place.hook, place.interface) for place in described.places if place.hook),
        users=options.users,
    )


def _document(asked: Asked, rows: Sequence[Row], flown: Sequence[Flown], status: int) -> dict[str, Any]:
    """The result for programs."""
    return {
        "version": version("gryphon"),
        "roles": list(asked.roles),
        "points": [row.document() for row in rows],
        "canaries": [one.document() for one in flown],
        "exit_status": status,
    }


def _write(path: str | None, document: dict[str, Any]) -> None:
    """The JSON where it was asked for."""
    if path is None:
        return
    text = json.dumps(document, indent=2) + "\n"
    if path == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        write_whole(path, text)
    except OSError as error:
        raise InputFault(f"the result cannot be written to {path}: {error.strerror}") from error
