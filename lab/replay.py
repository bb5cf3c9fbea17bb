"""One replay in the lab: a topology, the real commands, real clients beside it, and the counts of all of them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.clients import RealClients
from gryphon.lab.commands import Tell, interception, options, send
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.tally import Row, compare
from gryphon.lab.topologies import Topology
from gryphon.lab.watch import Watch


def replay(
    lab: Lab,
    nginx: Nginx,
    topology: Topology,
    recording: Recording,
    users: int,
    tell: Tell = print,
    more: Sequence[str] = (),
) -> list[Row]:
    """Replays the recording as so many users and holds all counts side by side.

    Args:
        tell: is given each command before it runs.
        more: further options for `gryphon send`.

    Raises:
        EnvironmentFault: a command does not start, gives no result or takes too long.
    """
    lab.route_forged(topology.via)
    environment = {**os.environ, "GRYPHON_TOKEN": secrets.token_urlsafe(16)}
    target = lab.directory / f"{topology.name}.json"
    target.unlink(missing_ok=True)
    line = [*options(recording, topology.intercept, users), *more, "--json", str(target)]
    with interception(lab, topology, environment, tell), Watch(lab, topology.beyond) as watch:
        before = nginx.mark()
        with RealClients(lab, topology.neighbour, topology.service, version=recording.version) as clients:
            status = send(lab, line, environment, seconds=60 + users / 100, tell=tell)
        if not target.exists() or not target.stat().st_size:
            raise EnvironmentFault(f"`gryphon send` ended with status {status} and without a result.")
        result = json.loads(target.read_text())
        served = nginx.since(before)
        return [Row("exit status", 0, status), *compare(recording, users, result, served, clients, watch.seen())]
