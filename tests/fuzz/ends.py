"""Both ends of the channel against a stream: a sender's into an intercept's connections, an intercept's into a channel.

Finds are: anything but a ``Fault`` comes out; without the token somebody gets a grant, or hears more than that there is
an intercept; a grant outlives its connection; what waits exceeds its bounds.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

import numpy as np

from gryphon.controller import auth
from gryphon.controller.client import Channel
from gryphon.controller.connections import Connections
from gryphon.controller.desk import Desk
from gryphon.controller.errors import Fault
from gryphon.controller.intent import Intent
from gryphon.controller.leases import Leases
from gryphon.controller.limits import Limits
from gryphon.controller.peer import Stage
from gryphon.controller.policy import Policy
from gryphon.controller.protocol import HEADER, PROTOCOL, Frame, Inbox
from gryphon.controller.quota import Allowance
from gryphon.controller.record import RECORD
from gryphon.controller.window import Window
from gryphon.sender.intercepts import Intercepts
from tests.fuzz.conversation import Step, Warper, framed
from tests.fuzz.find import Find
from tests.fuzz.wire import BOTH, Listener, Selector, Wire
from tests.unit.controller.fakes import FakeInterception, records_of

TOKEN, NONCE = "the token of the fuzzer", "5a" * 32
SERVICES = [(ip_address("10.16.15.118"), 80), (ip_address("fd00::118"), 443)]
RANGES = [ip_network("10.17.15.0/24"), ip_network("fd00:17::/64")]
_ALLOWANCES = (Allowance(), Allowance(), Allowance(1000, 100, 50), Allowance(windows=(Window(0, 0),)))
_LAST = 1 << 61
_WORDS = ("this is no gryphon sender", "wrong token", "the intercept speaks version", "it speaks TLS", "too many wrong")


@contextmanager
def known_nonce() -> Iterator[None]:
    """Both sides' nonces are one that the fuzzer knows, and strangers are logged nowhere."""
    before, auth.new_nonce = auth.new_nonce, lambda: NONCE
    logging.disable()
    try:
        yield
    finally:
        auth.new_nonce = before
        logging.disable(logging.NOTSET)


def sender_steps(rng: Random, token: str) -> list[Step]:
    """What a sender says in a whole run."""
    intent = Intent(rng.randrange(60), rng.choice((None, 5.0, 500.0)), rng.random() < 0.5, 1, "u", "h", "gryphon send")
    request = {
        "services": [[str(address), port] for address, port in SERVICES],
        "ranges": list(map(str, RANGES)),
        "sample": rng.choice((0, 0, 8, 64)),
        "intent": intent.message(),
    }
    return [
        (Frame.KNOCK, {"protocol": PROTOCOL}),
        (
            Frame.PROOF,
            {"protocol": PROTOCOL, "nonce": NONCE, "mac": auth.proof(token, "sender", NONCE, NONCE)},
        ),
        (Frame.REQUEST, request),
        *[(Frame.PING, {"sent": 12345})] * rng.randrange(10),
        (Frame.END, {"clean": True}),
    ]


def attack_intercept(rng: Random) -> bool:
    """A sender's stream; whether it got a grant."""
    knows = rng.random() < 0.8
    warper = Warper(rng)
    data = warper.stream(sender_steps(rng, TOKEN if knows else "another token"))
    wire = Wire(iter(warper.pieces(data)), ends=rng.random() < 0.7, room=rng.choice((1 << 30, 1 << 30, 100, 1, 0)))
    kernel = FakeInterception(sample=rng.choice((0, 64)))
    try:
        return _attack(wire, kernel, knows, data, rng)
    finally:
        for ring in kernel.rings:
            os.close(ring.fileno())


def _attack(wire: Wire, kernel: FakeInterception, knows: bool, data: bytes, rng: Random) -> bool:
    """The stream against the intercept's connections."""
    limits = Limits(outbox=1 << 16, allowance=rng.choice(_ALLOWANCES))
    leases = Leases(kernel, Policy(), 600, list, others=list)
    desk = Desk(kernel, leases, TOKEN, limits, logging.getLogger("gryphon.intercept"))
    selector: Any = Selector()
    listener: Any = Listener(wire)
    connections = Connections(selector, listener, desk, limits)
    connections.accept()
    granted = _serve(connections, kernel, wire, rng)
    connections.tick(_LAST)
    connections.tick(_LAST)
    if len(connections) or leases.living or not wire.closed:
        raise Find("a connection that is over leaves something", f"{leases.living} {data!r}")
    _check_said(bytes(wire.said), knows, granted)
    if not knows and kernel.held:
        raise Find("a range is held without the token", repr(data))
    return granted


def _serve(connections: Connections, kernel: FakeInterception, wire: Wire, rng: Random) -> bool:
    """Until the connection is over or says nothing more."""
    granted = False
    while connections._peers and not wire.over:
        (peer,) = connections._peers
        if peer.stage is Stage.CLOSING:  # what is still to be said to it waits for room
            break
        connections.attend(peer, BOTH)
        if peer.lease is not None:
            granted = True
            if rng.random() < 0.3:
                connections.distribute(records_of(peer.lease.generation, rng.randrange(500), sample=kernel.sample))
        if peer.outbox.size > (1 << 16) + (1 << 20) + 1024:
            raise Find("an outbox without bounds", f"{peer.outbox.size} bytes")
    return granted


def _check_said(said: bytes, knows: bool, granted: bool) -> None:
    """What the intercept has said makes frames, and nothing that a stranger must not hear."""
    inbox = Inbox(1 << 22, len(said) + 16)
    wire: Any = Wire(iter([said]))
    inbox.receive(wire)
    kinds = [(kind, bytes(payload)) for kind, payload in inbox.frames()]
    if knows:
        return
    for kind, payload in kinds:
        if kind == Frame.HELLO:
            continue
        if kind != Frame.REFUSAL or not any(word.encode() in payload for word in _WORDS):
            raise Find("a stranger hears too much", f"{kind} {payload!r}")
    if granted:
        raise Find("a grant without the token", "")


def intercept_steps(rng: Random, token: str) -> list[Step]:
    """What an intercept says in a whole run."""
    counters = dict.fromkeys(("matched", "recorded", "ring_full", "passed", "malformed"), 7)
    pong = {"sent": 1000, "received": 5000, "answered": 6000, "counters": counters, "dropped": 0, "cpu_s": 0.5}
    mac = auth.proof(token, "intercept", NONCE, NONCE)
    grant = {"generation": 3, "services": [0, 1], "lease_s": 10.0, "linger_s": 600.0, "intercept": "xdp", "sample": 0}
    return [
        (Frame.HELLO, {"protocol": PROTOCOL, "nonce": NONCE}),
        (Frame.WELCOME, {"mac": mac, "gryphon": "1", "record": RECORD.itemsize, "byteorder": sys.byteorder}),
        (Frame.GRANT, grant | {"quota": {"packets_s": rng.choice((None, 50.0)), "sessions_s": None, "users": 5}}),
        *[(Frame.PONG, pong | {"packets_s": rng.choice((None, 20.0))})] * 8,
        *[(Frame.PONG, pong)] * rng.randrange(3),
        (Frame.END, {"reason": "over"}),
    ]


def attack_sender(rng: Random) -> bool:
    """An intercept's stream; whether the sender took it for a grant."""
    warper = Warper(rng)
    steps = intercept_steps(rng, TOKEN if rng.random() < 0.9 else "another token")
    data = warper.stream(steps[:11]) + _records(rng) + warper.stream(steps[11:])
    wire: Any = Wire(iter(warper.pieces(data)), ends=rng.random() < 0.7, room=rng.choice((1 << 30, 1 << 30, 3, 0)))
    before = socket.create_connection
    socket.create_connection = lambda *_, **__: wire
    try:
        channel = Channel.connect("192.0.2.1", 1, TOKEN, services=SERVICES, ranges=RANGES, timeout=5)
    except Fault as fault:
        _check_sentence(fault)
        if not wire.closed:
            raise Find("a socket stays open", str(fault)) from fault
        return False
    finally:
        socket.create_connection = before
    _read(channel, rng)
    return True


def _read(channel: Channel, rng: Random) -> None:
    """As a run does, for a while or to the end of the grant."""
    intercepts = Intercepts([channel], len(SERVICES))
    try:
        for _ in range(rng.choice((5, 100))):
            records, samples = intercepts.read()
            if records.dtype != RECORD or samples.shape != (len(records), 0):
                raise Find("records of another form", str(records.dtype))
            channel.arm()
            _ = channel.status(), channel.clock(), intercepts.packets_s()
    except Fault as fault:
        _check_sentence(fault)
    channel.close(clean=rng.random() < 0.5)


def _records(rng: Random) -> bytes:
    """Some frames of records, few of them of a wrong size."""
    frames = []
    for _ in range(rng.randrange(4)):
        size = RECORD.itemsize * rng.choice((0, 1, 2, 100)) + rng.choice((0, 0, 0, 0, 1, 63))
        frames.append(HEADER.pack(size, Frame.RECORDS) + rng.randbytes(size))
    return b"".join(frames)


def _check_sentence(fault: Fault) -> None:
    if len(str(fault).splitlines()) != 1:
        raise Find("a fault is not one line", repr(str(fault)))


ATTACKS = {"intercept": attack_intercept, "sender": attack_sender}


def attack(seed: int) -> bool:
    """One execution, of either end; raises whatever it finds."""
    rng = Random(seed)
    name = "intercept" if seed % 2 else "sender"
    with np.errstate(all="raise"):
        return ATTACKS[name](rng)


__all__ = ["ATTACKS", "attack", "framed", "known_nonce"]
