"""The causes of a lost canary come in the order of likelihood for the topology, each with what mends it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from gryphon.sender.check.canary import Outcome
from gryphon.sender.check.explain import causes, where_to_look
from gryphon.sender.check.flight import Flight

ASSISTANT = Flight(
    (ip_address("10.16.15.118"), 80),
    ip_network("10.17.15.0/24"),
    grant="xdp on eth0 (native)",
    host="10.16.17.119",
    leads="eth0",
    own=ip_address("10.16.15.117"),
)
TARGET = replace(ASSISTANT, grant="tc on eth0 (tc egress)", host="10.16.15.118", at_server=True)
LOCAL = replace(ASSISTANT, host="")
ROUTE = "on the server: ip route replace 10.17.15.0/24 via "


@pytest.mark.parametrize(
    ("flight", "whose", "mend"),
    [
        (ASSISTANT, "via the assistant", ROUTE + "10.16.17.119"),
        (TARGET, "out of eth0", ROUTE + "NEXT_HOP dev eth0"),
        (LOCAL, "via this host", ROUTE + "10.16.15.117"),
    ],
    ids=["assistant", "target", "local"],
)
def test_the_first_cause_of_silence_is_the_server_s_route(flight: Flight, whose: str, mend: str) -> None:
    first = causes(Outcome.SILENT, flight)[0]
    assert first.sentence.startswith(f"the server has no route for 10.17.15.0/24 {whose}")
    assert first.mend == mend


@pytest.mark.parametrize(
    ("flight", "mend"),
    [
        (replace(ASSISTANT, at_server=True), "on the server: gryphon-intercept --tc eth0"),
        (replace(LOCAL, here=True), "on the server: gryphon-intercept --tc eth0"),
        (replace(TARGET, at_server=False), "on 10.16.15.118: gryphon-intercept --xdp eth0"),
        (replace(TARGET, at_server=False, host=""), "-s xdp:eth0"),
        (replace(LOCAL, leads="eth1"), "-s xdp:eth1"),
    ],
    ids=["xdp on the server", "xdp here, the server", "tc on an assistant", "tc here, no server", "other interface"],
)
def test_what_this_host_knows_to_be_wrong_comes_first(flight: Flight, mend: str) -> None:
    assert causes(Outcome.SILENT, flight)[0].mend == mend


def test_every_cause_of_silence_is_listed_once_and_rp_filter_only_for_ipv4() -> None:
    four = [cause.sentence for cause in causes(Outcome.SILENT, ASSISTANT)]
    assert len(set(four)) == len(four)
    for word in ("rp_filter", "another interface of the assistant", "network drops", "queue", "tracked", "is down"):
        assert sum(word in sentence for sentence in four) == 1, word
    six = replace(ASSISTANT, service=(ip_address("fd00::1"), 80), network=ip_network("fd00:17::/64"))
    assert not any("rp_filter" in cause.sentence for cause in causes(Outcome.SILENT, six))


@pytest.mark.parametrize(
    ("outcome", "first"),
    [
        (Outcome.REFUSED, "nothing listens at 10.16.15.118:80"),
        (Outcome.UNREACHABLE, "a firewall on the server rejects 10.17.15.0/24"),
        (Outcome.REPEATED, "the queue of connections that the server has not accepted is full"),
        (Outcome.RESET, "the server does not want connections"),
    ],
)
def test_other_ends_have_their_own_causes(outcome: Outcome, first: str) -> None:
    assert causes(outcome, ASSISTANT)[0].sentence.startswith(first)


def test_what_this_host_would_not_send_is_explained_by_the_errno() -> None:
    (route,) = causes(Outcome.NOT_SENT, replace(ASSISTANT, error="EHOSTUNREACH"))
    (rule,) = causes(Outcome.NOT_SENT, replace(ASSISTANT, error="EPERM"))
    assert "ip route add 10.16.15.118 via GATEWAY" in route.mend
    assert "firewall" in rule.sentence


def test_a_canary_that_came_through_needs_no_cause() -> None:
    assert causes(Outcome.CONNECTED, ASSISTANT) == []


def test_only_silence_needs_a_look_at_the_server() -> None:
    assert where_to_look(Outcome.SILENT, ASSISTANT) == (
        "on the server: gryphon check --role server -x 80-10.16.15.118:80 -c 10.17.15.0/24 tells which"
    )
    assert where_to_look(Outcome.REFUSED, ASSISTANT) == ""
