"""The README's three set-ups, with its very commands: 1,000 users, nginx's counts, and nothing forged goes astray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vagrant.machine import Machine
from vagrant.replay import V4, V6, intercepting, send
from vagrant.wire import Wire

WAYS = pytest.mark.parametrize(("kind", "way"), [("recording", V4), ("recording_v6", V6)], ids=["IPv4", "IPv6"])


@contextmanager
def routed(server: Machine, to: str) -> Iterator[None]:
    """The server's answers to the forged ranges led to another machine than the assistant."""

    def route(last: str) -> None:
        server.run(f"sudo ip route replace 10.17.15.0/24 via 10.16.15.{last}")
        server.run(f"sudo ip -6 route replace fd17:15::/64 via fd16:15::{last}")

    route(to)
    try:
        yield
    finally:
        route("119")


@WAYS
def test_target(
    machines: dict[str, Machine], wire: Wire, kind: str, way: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    recording = request.getfixturevalue(kind)
    with wire, intercepting(machines["server"], "--tc eth1") as intercept:
        run = send(machines, recording, "10.16.15.118", token=intercept.token, way=way)
    run.assert_whole()
    assert not wire.seen  # not even the server's own answers


@WAYS
def test_assistant(
    machines: dict[str, Machine], wire: Wire, kind: str, way: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    recording = request.getfixturevalue(kind)
    with wire, intercepting(machines["assistant"], "--xdp eth1") as intercept:
        assert "(native)" in intercept.line
        run = send(machines, recording, "10.16.15.119", token=intercept.token, way=way)
    run.assert_whole()
    assert set(wire.seen) == {("server", wire.macs["assistant"])}


@WAYS
def test_local(
    machines: dict[str, Machine], wire: Wire, kind: str, way: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    recording = request.getfixturevalue(kind)
    with wire, routed(machines["server"], to="117"):
        run = send(machines, recording, "xdp:eth1", way=way)
    run.assert_whole()
    assert set(wire.seen) == {("server", wire.macs["sender"])}
