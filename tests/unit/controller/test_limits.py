"""The operator's limits over a channel: granted, shared, withdrawn; and what both logs say of a grant."""

from __future__ import annotations

import select
from datetime import datetime
from ipaddress import ip_network
from typing import Any

import pytest
from fakes import records_of
from strangers import Stranger

from gryphon.controller import desk
from gryphon.controller.client import Channel
from gryphon.controller.errors import GrantLost, GrantRefused
from gryphon.controller.intent import Intent
from gryphon.controller.limits import Limits
from gryphon.controller.protocol import Frame, pack
from gryphon.controller.quota import Allowance, Quota
from gryphon.controller.window import parse_window

OTHER = [ip_network("10.18.0.0/16")]


def until_lost(channel: Channel) -> str:
    """Read until the grant has ended; the reason."""
    while True:
        try:
            channel.read()
        except GrantLost as lost:
            return str(lost)
        if channel.arm():
            select.select([channel], [], [], 0.05)


def test_the_grant_carries_what_is_allowed(serve: Any) -> None:
    running = serve(limits=Limits(allowance=Allowance(1000, 500, 100)))
    channel = running.connect(intent=Intent(60, 200, firm=True))
    assert channel.grant.quota == Quota(1000, 200, 60)
    with pytest.raises(GrantRefused, match="refuses: 50 users are too many: of 100 users allowed here 40 are free"):
        running.connect(ranges=OTHER, intent=Intent(50))
    channel.close()
    assert running.connect(ranges=OTHER, intent=Intent(50)).grant.quota.users == 50


def test_without_limits_there_is_no_quota(serve: Any) -> None:
    channel = serve().connect(intent=Intent(10**6))
    assert channel.grant.quota == Quota()
    assert channel.status().packets_s is None


def test_a_second_sender_halves_the_packets_of_the_first(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gryphon.controller.client.HEARTBEAT_NS", 1_000_000)
    running = serve(limits=Limits(allowance=Allowance(packets_s=1000)))
    first = running.connect()
    assert first.status().packets_s == 1000
    running.connect(ranges=OTHER)
    while first.status().packets_s != 500:
        first.read()


def test_a_sender_that_exceeds_loses_its_grant_and_hears_why(serve: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    running = serve(limits=Limits(allowance=Allowance(sessions_s=100)))
    channel, other = running.connect(intent=Intent(1, 50)), running.connect(ranges=OTHER, intent=Intent(1, 50))
    syn_acks = records_of(channel.grant.generation, 2000)
    syn_acks["flags"] = 0x12
    running.interception.ring.feed(syn_acks)
    assert "ended the grant: withdrawn, this sender opens far more than the 50 new sessions" in until_lost(channel)
    assert list(running.server.leases.living) == [other.grant.generation]
    assert any("ended: withdrawn, this sender opens far more" in line for line in caplog.messages)


def test_the_end_of_the_hours_ends_every_grant(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noon(datetime):
        hour_now = 23

        @classmethod
        def now(cls, tz: Any = None) -> Noon:
            return cls(2026, 11, 28, cls.hour_now, 0)

    monkeypatch.setattr(desk, "datetime", Noon)
    running = serve(limits=Limits(allowance=Allowance(windows=(parse_window("22:00-06:00"),))))
    channel = running.connect()
    assert channel.grant.quota.seconds == 7 * 3600
    Noon.hour_now = 6
    assert "the hours in which this intercept gives grants are over" in until_lost(channel)
    with pytest.raises(GrantRefused, match="grants are given 22:00-06:00 here, and now it is 06:00"):
        running.connect()


def test_both_logs_say_who_did_what_when_and_how_it_ended(serve: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    running = serve(limits=Limits(allowance=Allowance(packets_s=5000)))
    channel = running.connect(intent=Intent(7, 20, user="ada", host="lab", command="gryphon send -u 7"))
    running.interception.ring.feed(records_of(channel.grant.generation, 3))
    got = 0
    while got < 3:
        got += len(channel.read())
    channel.close()
    while running.server.leases.living:
        select.select([], [], [], 0.005)
    running.stop()
    theirs = [line for line in caplog.messages if "to 127.0.0.1:" in line or "of 127.0.0.1:" in line]
    assert len(theirs) == 2
    assert (
        "begins (ada@lab: gryphon send -u 7): forged 10.17.15.0/24 against 10.16.15.118:80, 7 users, at most"
        in theirs[0]
    )
    assert "at most 5,000 packets/s" in theirs[0]
    assert "(ada@lab) ended: the run is over; its answers are dropped for 600 s more; it lived" in theirs[1]
    assert theirs[1].endswith("and had 3 records")
    ours = [line for line in caplog.messages if "of the intercept at 127.0.0.1:" in line]
    assert len(ours) == 2
    assert (
        "begins (xdp on fake0 (native)): forged 10.17.15.0/24 against 10.16.15.118:80, 7 users, at most 5,0" in ours[0]
    )
    assert "ended: the run is over; it lived" in ours[1]
    assert ours[1].endswith("and had 3 records")


@pytest.mark.parametrize("intent", [5, {"users": -1}, {"parts": 10**6}, {"user": []}])
def test_an_intent_without_sense_is_refused(serve: Any, intent: object) -> None:
    running = serve()
    with Stranger(running) as sender:
        sender.prove()
        request = {"services": [["10.16.15.118", 80]], "ranges": ["10.17.15.0/24"], "intent": intent}
        sender.sock.sendall(pack(Frame.REQUEST, request))
        answer = sender.next()
    assert answer is not None
    assert answer[0] == Frame.REFUSAL
    assert "a request that makes no sense" in answer[1]["reason"]
