"""Who does not know the token learns nothing, changes nothing, costs next to nothing, and locks nobody out."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import records_of
from serving import RANGE, Running
from strangers import Stranger, still_serves

from gryphon.controller.door import Rates
from gryphon.controller.errors import GrantRefused
from gryphon.controller.limits import Limits
from gryphon.controller.protocol import GREETING_LIMIT, HEADER, PROTOCOL, Frame, pack

OPEN = Rates(1e6, 1e6, 1e6, 1e6, 1e6, 1e6)
"""No limit to connections: the other bounds alone."""


@pytest.fixture
def crowd() -> Iterator[Any]:
    """Opens connections from addresses of the loopback's own, and closes them all."""
    opened: list[socket.socket] = []

    def start(running: Running, number: int, address: str = "127.0.0.1") -> list[socket.socket]:
        for _ in range(number):
            opened.append(socket.create_connection(("127.0.0.1", running.port), 10, (address, 0)))
        return opened[-number:]

    yield start
    for sock in opened:
        sock.close()


def is_over(sock: socket.socket) -> bool:
    """Whether the server has closed, waited for; what it had said before does not count."""
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def said(running: Running) -> list[tuple[int, dict[str, Any]]]:
    """Everything that a stranger hears who tries this and that."""
    heard = []
    for last in (b"", b"\xff" * 100, HEADER.pack(1 << 20, Frame.PROOF), pack(Frame.REQUEST, {}), pack(Frame.PING, {})):
        with Stranger(running) as stranger:
            stranger.sock.sendall(last or pack(Frame.PROOF, {"protocol": PROTOCOL, "nonce": "0" * 64, "mac": "0" * 64}))
            while (frame := stranger.next()) is not None:
                heard.append(frame)
    return heard


def test_before_the_proof_nothing_is_told_of_version_or_grants(serve: Any) -> None:
    """The same words, whether somebody holds ranges or nobody does."""
    idle, busy = serve(), serve()
    busy.connect()
    heard = [[(kind, message) for kind, message in said(running)] for running in (idle, busy)]
    for frames in heard:
        for kind, message in frames:
            if kind == Frame.HELLO:
                assert set(message) == {"protocol", "nonce"}
                message["nonce"] = ""
            else:
                assert (kind, set(message)) == (Frame.REFUSAL, {"reason"})
    assert heard[0] == heard[1]
    assert len(busy.server.leases.living) == 1
    assert list(busy.interception.held) == [RANGE]


def test_after_five_wrong_tokens_an_address_has_to_wait(serve: Any) -> None:
    running = serve()
    for _ in range(5):
        with pytest.raises(GrantRefused, match="wrong token"):
            running.connect(token="guessed")
    with pytest.raises(GrantRefused, match=r"too many wrong tokens came from 127\.0\.0\.1: try again in \d+ s"):
        running.connect()


def test_guesses_elsewhere_lock_nobody_out(serve: Any, crowd: Any) -> None:
    running = serve()
    for sock in crowd(running, 10, "127.0.0.9"):
        sock.sendall(pack(Frame.PROOF, {"protocol": PROTOCOL, "nonce": "0" * 64, "mac": "0" * 64}))
        assert is_over(sock)
    still_serves(running)


def test_who_comes_too_often_takes_nobody_elses_place(serve: Any, crowd: Any) -> None:
    rates = Rates(connections=0.001, connections_burst=5, by_address=0.001, by_address_burst=2)
    running = serve(limits=Limits(rates=rates))
    crowd(running, 50, "127.0.0.9")
    still_serves(running)


def test_who_comes_too_often_is_hung_up_on(serve: Any, crowd: Any) -> None:
    running = serve(limits=Limits(rates=Rates(by_address=0.01, by_address_burst=3)))
    sockets = crowd(running, 10, "127.0.0.9")
    assert all(is_over(sock) for sock in sockets[3:])
    assert len(running.server._connections) == 3
    still_serves(running)


def test_beyond_the_rate_of_all_connections_wait_in_the_kernel(serve: Any, crowd: Any) -> None:
    running = serve(limits=Limits(rates=Rates(connections=20, connections_burst=1, by_address_burst=1e6)))
    crowd(running, 5)
    still_serves(running)  # sixth in the queue: its turn comes


def test_a_stop_ends_a_listener_that_rests(serve: Any, crowd: Any) -> None:
    running = serve(limits=Limits(rates=Rates(connections=0.001, connections_burst=1, by_address_burst=1e6)))
    first, second = crowd(running, 2)
    assert first.recv(1)
    running.stop()
    assert is_over(second)


def test_a_crowd_of_one_address_locks_no_other_out(serve: Any, crowd: Any) -> None:
    """Who is in the middle of its greeting stays, though it came first and the crowd is larger than all room."""
    running = serve(limits=Limits(strangers=8, rates=OPEN))
    (slow,) = crowd(running, 1, "127.0.0.7")
    assert slow.recv(1 << 10)
    many = crowd(running, 50, "127.0.0.9")
    assert all(is_over(sock) for sock in many[:40])
    slow.setblocking(False)
    with pytest.raises(BlockingIOError):
        slow.recv(1)


def test_who_is_sent_away_is_not_read_any_more(serve: Any) -> None:
    running = serve()
    with Stranger(running) as stranger:
        stranger.sock.sendall(pack(Frame.PING, {}))
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                stranger.sock.sendall(b"x" * 65536)
    still_serves(running)


def test_a_sender_that_asks_without_end_loses_its_grant(serve: Any) -> None:
    running = serve()
    with Stranger(running) as sender:
        sender.ask()
        sender.sock.sendall(pack(Frame.PING, {"sent": 1}) * 200)
        heard = []
        while (frame := sender.next()) is not None:
            heard.append(frame)
    assert heard[-1] == (Frame.END, {"reason": "it says more than a sender has to say"})
    assert not running.server.leases.living


def test_hundreds_of_strangers_are_some_lines_in_the_log(serve: Any, crowd: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    running = serve(limits=Limits(rates=OPEN))
    for sock in crowd(running, 300, "127.0.0.9"):
        sock.close()
    still_serves(running)
    about = [line for line in caplog.messages if "127.0.0.9" in line]
    assert 0 < len(about) < 60


@pytest.mark.parametrize("manner", ["silent", "slow", "garbage", "huge"])
def test_hundreds_of_clients_that_hang_on_cost_64_small_buffers(serve: Any, crowd: Any, manner: str) -> None:
    """And a sender's records come meanwhile; benchmarks.hanging has a thousand of each, and the figures."""
    words = {"silent": b"", "slow": b"\x20", "garbage": b"\xff" * 500, "huge": HEADER.pack(1 << 31, Frame.PROOF)}[
        manner
    ]
    running = serve(limits=Limits(rates=OPEN, handshake_s=60))
    channel = running.connect()
    most = 0
    for number in range(6):
        for sock in crowd(running, 50, f"127.0.0.{number + 10}"):
            with contextlib.suppress(ConnectionError):
                sock.sendall(words)
        running.interception.ring.feed(records_of(channel.grant.generation, 100))
        most = max(most, len(running.server._connections))
    got = 0
    while got < 600:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        got += len(channel.read())
    assert most <= 65
    strangers = [peer for peer in running.server._connections._peers.copy() if peer.lease is None]
    assert all(len(peer.inbox._view) <= GREETING_LIMIT + HEADER.size for peer in strangers)
