"""Real clients are counted by themselves as by the server."""

from __future__ import annotations

import pytest

from gryphon.lab.clients import RealClients
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.waiting import until


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: topology.name)
def test_every_client_is_in_both_counts(lab: Lab, nginx: Nginx, topology: Topology, version: int) -> None:
    before = nginx.mark()
    with RealClients(lab, topology.neighbour, topology.service, version=version) as clients:
        until("five clients to be served", lambda: nginx.mark().requests - before.requests >= 5)
    served = nginx.since(before)
    assert served.connections == served.requests == clients.served == len(clients.statuses) >= 5
    assert {request.status for request in served.log} == {200}
    assert all(0 < seconds < 10 for seconds in clients.seconds)


def test_a_client_without_an_answer_is_not_counted_as_served() -> None:
    with Lab() as without_server:
        output = without_server.directory / "clients.output"
        with RealClients(without_server, TOPOLOGIES[0].neighbour, TOPOLOGIES[0].service) as clients:
            until("a failure", lambda: b"000" in output.read_bytes())
    assert clients.served == 0
    assert set(clients.statuses) == {"000"}
