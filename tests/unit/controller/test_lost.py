"""A sender learns within seconds, in one sentence, that its intercept is gone, silent or no intercept at all."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from serving import RANGE, SERVICE, TOKEN

from gryphon.controller import auth, client
from gryphon.controller.client import Channel
from gryphon.controller.errors import EnvironmentFault, GrantLost, GrantRefused
from gryphon.controller.protocol import HEADER, PROTOCOL, Frame, Inbox, pack
from gryphon.controller.record import RECORD

HELLO = {"protocol": PROTOCOL}
SAME = {"gryphon": "9", "record": RECORD.itemsize, "byteorder": sys.byteorder}


class Intercept:
    """The intercept's end as a script of the test."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = Inbox(1 << 16, 1 << 16)

    def next(self) -> dict[str, Any]:
        while (frame := self.inbox.first()) is None:
            if not self.inbox.receive(self.sock):
                raise EOFError
        return frame[1]

    def say(self, kind: Frame, message: dict[str, Any]) -> None:
        self.sock.sendall(pack(kind, message))

    def grant(self, token: str = TOKEN, **more: Any) -> None:
        """Greet, prove, grant and answer the first heartbeats."""
        nonce = auth.new_nonce()
        self.say(Frame.HELLO, HELLO | {"nonce": nonce})
        self.next()  # the knock
        proof = self.next()
        mac = auth.proof(token, "intercept", proof["nonce"], nonce)
        self.say(Frame.WELCOME, SAME | {"mac": mac} | {key: more.pop(key) for key in SAME if key in more})
        self.next()
        usual = {"generation": 1, "services": [0], "lease_s": 10, "linger_s": 600, "intercept": "xdp on x", "sample": 0}
        self.say(Frame.GRANT, usual | {"quota": {}} | more)
        for _ in range(client._FIRST_SAMPLES):
            counters = dict.fromkeys(("matched", "recorded", "ring_full", "passed", "malformed"), 0)
            times = {"sent": self.next()["sent"], "received": 0, "answered": 0}
            self.say(Frame.PONG, times | {"counters": counters, "dropped": 0, "cpu_s": 0.0})


Script = Callable[[Intercept], None]


@pytest.fixture
def against() -> Iterator[Callable[[Script], Channel]]:
    """Connects to an intercept that follows a script, and hangs up at the script's end."""
    threads: list[threading.Thread] = []
    channels: list[Channel] = []

    def connect(script: Script) -> Channel:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with listener, listener.accept()[0] as sock, contextlib.suppress(EOFError, ConnectionError):
                script(Intercept(sock))

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        port = listener.getsockname()[1]
        channels.append(Channel.connect("127.0.0.1", port, TOKEN, services=[SERVICE], ranges=[RANGE], timeout=0.5))
        return channels[-1]

    yield connect
    for channel in channels:
        channel.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def read_to_the_end(channel: Channel, lengths: list[int] | None = None) -> None:
    while True:
        batch = channel.read()
        if lengths is not None:
            lengths.append(len(batch))


def keep_to_the_end(channel: Channel) -> None:
    while True:
        channel.keep()


def test_an_intercept_that_hangs_up_is_gone(against: Any) -> None:
    channel = against(lambda intercept: intercept.grant())
    with pytest.raises(GrantLost, match="is gone: it hung up without a word"):
        read_to_the_end(channel)
    assert not channel.arm()
    with pytest.raises(GrantLost):  # and stays gone
        channel.read()


def test_an_intercept_that_falls_silent_is_given_up(against: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "HEARTBEAT_NS", 10_000_000)
    monkeypatch.setattr(client, "SILENCE_NS", 200_000_000)
    over = threading.Event()

    def script(intercept: Intercept) -> None:
        intercept.grant()
        over.wait(10)

    channel = against(script)
    with pytest.raises(GrantLost, match=r"has not answered for 0\.2 s"):
        read_to_the_end(channel)
    over.set()


def test_records_that_came_before_the_end_are_not_lost(against: Any) -> None:
    def script(intercept: Intercept) -> None:
        intercept.grant()
        intercept.sock.sendall(HEADER.pack(128, Frame.RECORDS) + bytes(128) + HEADER.pack(64, Frame.RECORDS) + bytes(9))

    got: list[int] = []
    with pytest.raises(GrantLost):
        read_to_the_end(against(script), got)
    assert sum(got) == 2


def test_the_end_is_heard_while_nobody_reads_and_the_records_before_it_wait(
    against: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HEARTBEAT_NS", 1_000_000)

    def script(intercept: Intercept) -> None:
        intercept.grant()
        intercept.next()  # the first heartbeat of one who keeps the grant
        intercept.sock.sendall(HEADER.pack(128, Frame.RECORDS) + bytes(128))
        intercept.say(Frame.END, {"reason": "the intercept was stopped"})

    channel = against(script)
    with pytest.raises(GrantLost, match="ended the grant: the intercept was stopped"):
        keep_to_the_end(channel)
    assert len(channel.read()) == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        HEADER.pack(63, Frame.RECORDS) + bytes(63),
        HEADER.pack(1 << 30, Frame.RECORDS),
        pack(Frame.PONG, {"sent": "x"}),
        pack(Frame.GRANT, {}),
        HEADER.pack(2, Frame.PONG) + b"[]",
    ],
)
def test_nonsense_in_the_middle_ends_the_grant(against: Any, nonsense: bytes) -> None:
    def script(intercept: Intercept) -> None:
        intercept.grant()
        intercept.sock.sendall(nonsense)
        intercept.next()

    with pytest.raises(GrantLost, match="sent nonsense"):
        read_to_the_end(against(script))


def test_one_who_does_not_know_the_token_is_not_our_intercept(against: Any) -> None:
    with pytest.raises(GrantRefused, match="does not know the token"):
        against(lambda intercept: intercept.grant("another"))


def test_another_version_says_what_to_do(against: Any) -> None:
    with pytest.raises(GrantRefused, match="install the same gryphon on both hosts"):
        against(lambda intercept: intercept.say(Frame.HELLO, HELLO | {"protocol": 99, "nonce": auth.new_nonce()}))


@pytest.mark.parametrize("other", [{"record": 72}, {"byteorder": "big"}])
def test_another_record_says_what_to_do_and_whose_release_it_is(against: Any, other: dict[str, Any]) -> None:
    with pytest.raises(GrantRefused, match=r"\(gryphon 9\) speaks .*install the same gryphon on both hosts"):
        against(lambda intercept: intercept.grant(**other))


@pytest.mark.parametrize(
    "nonsense",
    [
        {"generation": 1 << 16},
        {"services": [-1]},
        {"services": [0, 1]},
        {"lease_s": float("nan")},
        {"linger_s": 10**400},
        {"quota": None},
        {"quota": {"packets_s": 0}},
        {"quota": {"sessions_s": "many"}},
        {"quota": {"users": 1.5}},
    ],
)
def test_a_grant_without_sense_is_none(against: Any, nonsense: dict[str, Any]) -> None:
    with pytest.raises(EnvironmentFault, match="is not gryphon-intercept"):
        against(lambda intercept: intercept.grant(**nonsense))


def test_what_is_no_intercept_is_said_to_be_none(against: Any) -> None:
    def ssh(intercept: Intercept) -> None:
        intercept.sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        intercept.next()

    with pytest.raises(EnvironmentFault, match="is not gryphon-intercept"):
        against(ssh)


def test_one_who_never_speaks_is_given_up(against: Any) -> None:
    with pytest.raises(EnvironmentFault, match="is it gryphon-intercept"):
        against(lambda intercept: intercept.next())


def test_one_who_hangs_up_at_once_is_said_so(against: Any) -> None:
    with pytest.raises(EnvironmentFault, match=r"hung up in the greeting|broke"):
        against(lambda intercept: None)


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(EnvironmentFault, match="no such host"):
        Channel.connect("no such host", 1, "t", services=[], ranges=[], timeout=2)


@pytest.mark.parametrize("sample", [8, -8, 1 << 40, "much", None])
def test_a_grant_of_another_sample_than_asked_for_is_no_grant(against: Any, sample: object) -> None:
    """Its records would be read at the wrong places."""
    with pytest.raises(EnvironmentFault, match="is not gryphon-intercept"):
        against(lambda intercept: intercept.grant(sample=sample))
