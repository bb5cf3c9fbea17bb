"""Why nothing came: what was seen alone, else what is wrong here, else what only the server can tell, in that order."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from gryphon.sender.check.flight import Cause, Flight
from gryphon.sender.check.silence import silent

LOCAL = Flight(
    (ip_address("10.16.15.118"), 80),
    ip_network("10.17.15.0/24"),
    grant="xdp on eth1 (native)",
    leads="eth1",
    own=ip_address("10.16.15.117"),
)
ASSISTANT = replace(LOCAL, grant="xdp on eth0 (generic)", host="10.16.17.119", leads="eth0")
TARGET = replace(ASSISTANT, grant="tc on eth0 (tc egress)", host="10.16.15.118", at_server=True)
ROUTE, ELSEWHERE = "the server has no route for", "answers leave the server by another interface"


def said(flight: Flight) -> list[str]:
    return [cause.sentence for cause in silent(flight)]


def test_an_answer_that_was_seen_elsewhere_leaves_no_other_cause() -> None:
    seen = Cause("answers come in by eth0 of this host", "-s xdp:eth0")
    assert silent(replace(LOCAL, leads="eth0", passes=seen)) == [seen]


@pytest.mark.parametrize("leads", ["eth1", "lo", ""])
def test_an_interface_that_leads_to_the_server_or_that_nobody_knows_is_no_cause(leads: str) -> None:
    assert said(replace(LOCAL, leads=leads))[0].startswith(ROUTE)


def test_another_interface_is_a_cause_in_the_local_topology_alone() -> None:
    (first, *_) = silent(replace(LOCAL, leads="eth0"))
    assert first == ("answers come in by eth0, which leads to the server, and eth1 is watched", "-s xdp:eth0")
    assert said(replace(ASSISTANT, leads="eth7"))[0].startswith(ROUTE)


@pytest.mark.parametrize(
    ("flight", "device"), [(LOCAL, ""), (ASSISTANT, ""), (TARGET, " dev eth0")], ids=["local", "assistant", "target"]
)
def test_the_way_back_names_the_device_where_answers_have_to_leave_by_it(flight: Flight, device: str) -> None:
    (cause,) = [cause for cause in silent(flight) if cause.sentence.startswith(ROUTE)]
    assert cause.mend.endswith(device or flight.via)
    assert ("dev" in cause.mend) is bool(device)


def test_an_interface_of_the_server_is_a_cause_where_the_server_is_watched_alone() -> None:
    assert [any(text.startswith(ELSEWHERE) for text in said(one)) for one in (LOCAL, ASSISTANT, TARGET)] == [
        False,
        False,
        True,
    ]
    (cause,) = [cause for cause in silent(TARGET) if cause.sentence.startswith(ELSEWHERE)]
    assert cause.mend.startswith("on the server: ip route get 10.17.15.1, and")


def test_of_a_range_of_one_address_that_address_is_asked_for() -> None:
    one = replace(TARGET, network=ip_network("10.17.15.9/32"))
    (cause,) = [cause for cause in silent(one) if cause.sentence.startswith(ELSEWHERE)]
    assert cause.mend.startswith("on the server: ip route get 10.17.15.9, and")


def test_what_only_the_network_and_the_server_know_comes_last() -> None:
    for flight in (LOCAL, ASSISTANT, TARGET):
        network, queue, tracked, down = said(flight)[-4:]
        assert network.startswith("the network drops packets from 10.17.15.0/24")
        assert queue.startswith("the queue of 10.16.15.118:80 is full")
        assert tracked.startswith("a table of tracked connections")
        assert down.startswith("10.16.15.118 is down")
