"""Clients that are slow, silent, broken or hostile: each is bounded, said once in the log, and hurts nobody else."""

from __future__ import annotations

import logging
import select
import socket
import time
from typing import Any

import pytest
from fakes import FakeInterception, records_of
from serving import RANGE, SERVICE, TOKEN, Running
from strangers import Stranger, still_serves

from gryphon.controller.client import Channel
from gryphon.controller.desk import Desk
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.leases import Leases
from gryphon.controller.limits import Limits
from gryphon.controller.peer import Peer, Stage
from gryphon.controller.policy import Policy
from gryphon.controller.protocol import CONTROL_LIMIT, HEADER, PROTOCOL, Frame, pack


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00" * 5000,
        b"\xff" * 5000,
        HEADER.pack(2000, Frame.PROOF),  # longer than a stranger may
        HEADER.pack(4, Frame.PROOF) + b"[1]\n",
        HEADER.pack(60, Frame.PROOF) + b"[" * 60,
        pack(Frame.PROOF, {}),
        pack(Frame.PROOF, {"protocol": PROTOCOL, "nonce": 7, "mac": None}),
        pack(Frame.REQUEST, {"services": [], "ranges": []}),
        pack(Frame.PING, {}),
    ],
)
def test_garbage_is_refused_and_the_server_lives(serve: Any, garbage: bytes) -> None:
    running = serve()
    with Stranger(running) as stranger:
        assert stranger.next() is not None
        stranger.sock.sendall(garbage)
        answer = stranger.next()
        assert answer is None or answer[0] == Frame.REFUSAL
        assert stranger.next() is None
    still_serves(running)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"services": 5, "ranges": []},
        {"services": [["10.1.1.1", 0]], "ranges": ["10.17.0.0/16"]},
        {"services": [["10.1.1.1", True]], "ranges": ["10.17.0.0/16"]},
        {"services": [["10.1.1.1"]], "ranges": ["10.17.0.0/16"]},
        {"services": [[5, 80]], "ranges": ["10.17.0.0/16"]},
        {"services": [["10.1.1.1", 80]], "ranges": [5]},
        {"services": [["10.1.1.1", 80]], "ranges": ["10.17.0.1/16"]},
        {"services": [["10.1.1.1", 80]] * 300, "ranges": ["10.17.0.0/16"]},
        {"services": [["10.1.1.1", 80]], "ranges": ["10.17.0.0/16"] * 300},
    ],
)
def test_a_request_without_sense_is_refused(serve: Any, request_: dict[str, Any]) -> None:
    running = serve()
    with Stranger(running) as stranger:
        welcome = stranger.prove()
        assert welcome is not None
        assert welcome[0] == Frame.WELCOME
        stranger.sock.sendall(pack(Frame.REQUEST, request_))
        answer = stranger.next()
        assert answer is not None
        assert answer[0] == Frame.REFUSAL
    assert not running.interception.held


def test_the_server_proves_the_token_too(serve: Any) -> None:
    with Stranger(serve()) as stranger:
        refusal = stranger.prove("a wrong token")
    assert refusal == (Frame.REFUSAL, {"reason": "wrong token"})


def test_a_silent_stranger_is_dropped_and_holds_up_nobody(serve: Any) -> None:
    running = serve(limits=Limits(handshake_s=0.2))
    with Stranger(running) as stranger:
        stranger.next()
        assert stranger.next() is None


def test_many_strangers_do_not_lock_a_sender_out(serve: Any) -> None:
    running = serve(limits=Limits(strangers=3))
    strangers = [Stranger(running) for _ in range(6)]
    still_serves(running)
    for stranger in strangers:
        stranger.sock.close()


def test_a_sender_that_dies_before_it_asks_leaves_nothing(serve: Any) -> None:
    running = serve()
    with Stranger(running) as stranger:
        assert stranger.prove() is not None
    still_serves(running)
    assert [held.generation for held in running.interception.ranges()] == [1], "that of the one that asked"


def test_a_sender_that_dies_between_its_request_and_the_grant_lingers(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    running = serve()
    with Stranger(running) as stranger:
        stranger.prove()
        request = {"services": [[str(SERVICE[0]), SERVICE[1]]], "ranges": [str(RANGE)]}
        stranger.sock.sendall(pack(Frame.REQUEST, request))
    wait_for(lambda: "lost, the connection" in caplog.text)
    (held,) = running.interception.ranges()
    assert held.deadline_ns <= time.monotonic_ns() + 600 * 10**9
    assert running.server.leases.lingers_until() == held.deadline_ns


def test_when_the_interception_is_gone_every_sender_is_told_and_it_ends(serve: Any) -> None:
    def watch() -> None:
        raise EnvironmentFault("somebody removed the interception from eth0")

    running = serve(watch=watch)
    with Stranger(running) as sender:
        sender.ask()
        end = sender.next()
    assert end == (Frame.END, {"reason": "somebody removed the interception from eth0"})
    running.thread.join(10)
    assert isinstance(running.ended_by, EnvironmentFault)


def test_a_sender_that_dies_without_a_word_lingers(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    running = serve()
    channel = running.connect()
    channel._sock.close()  # as the kernel does after kill -9
    wait_for(lambda: not running.server.leases.living)
    assert RANGE in running.interception.held
    wait_for(lambda: "lost, the connection" in caplog.text)
    assert "its answers are dropped for 600 s more" in caplog.text


def test_a_sender_whose_cable_is_cut_is_noticed_by_its_silence(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    running = serve(limits=Limits(lease_s=0.3))
    with Stranger(running) as sender:
        granted = sender.ask()
        assert granted is not None
        assert granted[0] == Frame.GRANT
        wait_for(lambda: not running.server.leases.living)
    wait_for(lambda: "lost, nothing heard for 0.3 s" in caplog.text)


def test_a_granted_sender_that_talks_nonsense_is_told_so(serve: Any) -> None:
    running = serve()
    with Stranger(running) as sender:
        sender.ask()
        sender.sock.sendall(HEADER.pack(CONTROL_LIMIT + 1, Frame.PING))
        end = sender.next()
        assert end is not None
        assert end[0] == Frame.END
        assert "more than" in end[1]["reason"] or "at most" in end[1]["reason"]
    assert not running.server.leases.living


def test_a_sender_too_slow_loses_records_and_is_told_how_many(serve: Any) -> None:
    running = serve(limits=Limits(outbox=1 << 20))
    channel = running.connect()
    fed = 0
    while running_dropped(running) == 0:
        running.interception.ring.feed(records_of(channel.grant.generation, 4096))
        fed += 4096
        assert fed < 1 << 22
    wait_for(lambda: not running.interception.ring.waiting())
    got = 0
    while got + channel.status().channel_dropped < fed:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        got += len(channel.read())
    assert got + channel.status().channel_dropped == fed
    assert channel.status().channel_dropped > 0


def running_dropped(running: Running) -> int:
    """Records that the one granted sender has lost so far."""
    return sum(peer.outbox.dropped for peer in running.server._connections._peers.copy())


def test_idle_costs_no_wakeups(serve: Any) -> None:
    running = serve()
    running.connect().close()
    wait_for(lambda: not running.server.leases.living)
    ring = running.interception.ring
    wait_for(lambda: ring._armed)
    before = ring.armings
    with Stranger(running) as stranger:  # one wake-up, for the stranger alone
        stranger.next()
    assert ring.armings - before < 10


def test_a_stop_with_nothing_granted_is_immediate(serve: Any) -> None:
    running = serve()
    running.server.stop()
    running.thread.join(10)
    assert not running.thread.is_alive()


def test_a_stop_lingers_until_the_deadline_then_ends(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    running = serve(linger_s=0.5)
    channel = running.connect()
    running.server.stop()
    wait_for(lambda: not running.server.leases.living)
    deadline = running.interception.held[RANGE].deadline_ns
    running.thread.join(10)
    assert time.monotonic_ns() >= deadline
    assert "are dropped for 0 s more" in caplog.text or "are dropped for 1 s more" in caplog.text
    channel.close()


def test_a_second_stop_ends_at_once(serve: Any) -> None:
    running = serve(linger_s=3600)
    running.connect()
    running.server.stop()
    wait_for(lambda: not running.server.leases.living)
    assert running.thread.is_alive()
    running.server.stop()
    running.thread.join(10)
    assert not running.thread.is_alive()


def wait_for(condition: Any) -> None:
    """Wait until it holds; the test's own timeout ends a wait in vain."""
    while not condition():
        select.select([], [], [], 0.005)


def test_connections_are_refused_while_it_lingers(serve: Any) -> None:
    running = serve(linger_s=3600)
    channel: Channel = running.connect()
    running.server.stop()
    wait_for(lambda: not running.server.leases.living)
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", running.port), timeout=10)
    channel.close()


def test_a_new_grant_takes_no_records_from_the_other_senders() -> None:
    kernel = FakeInterception()
    leases = Leases(kernel, Policy(), 600.0, list, others=list)
    desk = Desk(kernel, leases, TOKEN, Limits(), logging.getLogger("gryphon.intercept"))
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        peer = Peer(listener.accept()[0], deadline=0)
        peer.stage = Stage.REQUEST
        kernel.ring.feed(records_of(99, 5))
        desk.answer(peer, Frame.REQUEST, {"services": [["10.16.15.118", 80]], "ranges": [str(RANGE)]})
        peer.sock.close()
    assert peer.stage is Stage.GRANTED
    assert len(kernel.ring.read()) == 5
