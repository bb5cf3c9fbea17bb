"""A range with a gateway or a live neighbour is refused by the sender that knows it and by the intercept that does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sending import intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.wiring import HostName

_KNOWN = "from gryphon.controller.surroundings import surroundings\nfor one, whose in surroundings(): print(one, whose)"


@contextmanager
def routed(lab: Lab, host: HostName, *routes: str) -> Iterator[None]:
    """Routes of a host, by `ip route`'s words."""
    made: list[str] = []
    try:
        for route in routes:
            lab.run(host, ["ip", "route", "add", *route.split()])
            made.append(route.split()[0])
        yield
    finally:
        for network in made:
            lab.run(host, ["ip", "route", "del", network])


def test_next_hops_of_every_kind_and_neighbours_that_have_answered_are_known(lab: Lab) -> None:
    several = "10.99.0.0/16 nexthop via 10.17.15.2 dev eth0 onlink nexthop via 10.17.15.3 dev eth1 onlink"
    routes = ["default via 10.17.15.1 dev eth0 onlink", several, "10.98.0.0/16 via inet6 fd00:16:15::aa dev eth0"]
    neighbours = {"10.17.15.9": "reachable", "10.17.15.10": "permanent", "10.17.15.11": "stale"}
    with routed(lab, "sender", *routes, "fd00:99::/64 via fd00:16:15::bb dev eth0"):
        for address, state in neighbours.items():
            entry = [address, "lladdr", "02:00:00:00:00:09", "dev", "eth0", "nud", state]
            lab.run("sender", ["ip", "neigh", "replace", *entry])
        found = dict(
            line.split(" ", 1) for line in lab.run("sender", [sys.executable, "-c", _KNOWN]).stdout.splitlines()
        )
        for address in neighbours:
            lab.run("sender", ["ip", "neigh", "del", address, "dev", "eth0"])
    gateways = {address for address, whose in found.items() if whose == "a gateway of this host"}
    assert gateways == {"10.17.15.1", "10.17.15.2", "10.17.15.3", "fd00:16:15::aa", "fd00:16:15::bb"}
    broadcasts = {address for address, whose in found.items() if whose == "a broadcast address of this host"}
    assert broadcasts == {"10.16.15.255", "10.16.17.255"}
    live = {address: whose for address, whose in found.items() if whose.startswith("a neighbour")}
    assert live == dict.fromkeys(("10.17.15.9", "10.17.15.11"), "a neighbour of this host (02:00:00:00:00:09)")


def test_both_sides_refuse_what_they_know(lab: Lab, recording: Recording) -> None:
    gateway = "10.99.0.0/16 via 10.17.15.1 dev eth0 onlink"
    with intercepted(lab, "target") as (topology, _):
        line = options(recording, topology.intercept, 10)
        with routed(lab, "sender", gateway):
            run = start(lab, line)
            assert run.finish() == 2, run.text
        assert "the forged range 10.17.15.0/24 contains 10.17.15.1, a gateway of this host: choose a range" in run.text
        with routed(lab, "server", gateway):
            run = start(lab, line)
            assert run.finish() == 3, run.text
        assert "the forged range 10.17.15.0/24 contains 10.17.15.1, a gateway of the intercept's host" in run.text
        assert "no consent" not in run.text
