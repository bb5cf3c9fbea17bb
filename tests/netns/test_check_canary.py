"""The canary comes through where all is well, and says step by step where it was lost, with what mends that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from checking import RANGE, RUN, Checked, changed, check, ruled, sysctl
from intercepting import Intercept
from sending import BY_NAME, ENVIRONMENT, TOKEN, established, intercepted

from gryphon.lab.commands import interception
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES
from gryphon.lab.wiring import SERVER_V4, SERVER_V6

ASSISTANT = BY_NAME["assistant"]


@pytest.fixture(autouse=True)
def _answering(nginx: Nginx) -> None:
    """A server that listens."""


@pytest.mark.parametrize("name", [topology.name for topology in TOPOLOGIES])
def test_where_all_is_well_it_comes_through_and_leaves_nothing(lab: Lab, name: str) -> None:
    with intercepted(lab, name) as (topology, _):
        checked = check(lab, "sender", *RUN, "-s", topology.intercept)
    assert checked.status == 0, checked.text
    assert checked.canary["outcome"] == "connected"
    assert checked.bad == []
    steps = checked.canary["steps"]
    assert steps[0].startswith("SYN sent from 10.17.15.")
    assert steps[1].startswith("SYN-ACK seen by the intercept after ")
    assert steps[-1] == "RST sent: the server forgets the connection"
    assert established(lab) == []
    assert "xdp" not in lab.run("sender", ["ip", "link", "show", "eth0"]).stdout


def test_it_flies_over_ipv6(lab: Lab) -> None:
    with intercepted(lab, "local") as (topology, _):
        checked = check(lab, "sender", "-x", f"80-[{SERVER_V6}]:80", "-c", "fd00:17::/64", "-s", topology.intercept)
    assert (checked.status, checked.canary["outcome"]) == (0, "connected"), checked.text


def test_a_server_that_does_not_listen_is_named(lab: Lab) -> None:
    with intercepted(lab, "local"):
        checked = check(lab, "sender", "-x", f"81-{SERVER_V4}:81", "-c", "10.17.15.*", "-s", "xdp:eth0")
    assert (checked.status, checked.canary["outcome"]) == (3, "refused"), checked.text
    place, mend = checked.cause(f"nothing listens at {SERVER_V4}:81")
    assert place == 1
    assert "ss -ltn 'sport = :81'" in mend


def test_a_missing_route_is_the_first_cause_in_the_assistant_topology(lab: Lab) -> None:
    lost = changed(lab, "server", f"route add unreachable {RANGE}", f"route del unreachable {RANGE}")
    with intercepted(lab, "assistant"), lost:
        checked = check(lab, "sender", *RUN, "-s", ASSISTANT.intercept)
    assert (checked.status, checked.canary["outcome"]) == (3, "silent"), checked.text
    assert "the intercept saw no SYN-ACK in 3 s" in checked.text
    place, mend = checked.cause(f"the server has no route for {RANGE} via the assistant")
    assert (place, mend) == (1, f"on the server: ip route replace {RANGE} via {ASSISTANT.intercept}")


def test_a_range_on_the_server_s_link_is_a_cause(lab: Lab) -> None:
    on_link = changed(lab, "server", f"route add {RANGE} dev eth0", f"route del {RANGE} dev eth0")
    with intercepted(lab, "local"), on_link:
        checked = check(lab, "sender", *RUN, "-s", "xdp:eth0")
    assert (checked.status, checked.canary["outcome"]) == (3, "silent"), checked.text
    place, mend = checked.cause("or has it on its link, where nobody answers ARP")
    assert (place, mend) == (1, f"on the server: ip route replace {RANGE} via 10.16.15.117")


def test_a_strict_filter_on_the_server_is_a_cause(lab: Lab) -> None:
    with intercepted(lab, "assistant"), sysctl(lab, "server", "net.ipv4.conf.eth0.rp_filter", 1):
        checked = check(lab, "sender", *RUN, "-s", ASSISTANT.intercept)
    assert (checked.status, checked.canary["outcome"]) == (3, "silent"), checked.text
    place, mend = checked.cause("rp_filter")
    assert place == 2
    assert "sysctl -w net.ipv4.conf.all.rp_filter=0" in mend


def told(checked: Checked, words: str) -> None:
    """The intercept's host has seen the answers elsewhere, so it has ended the grant and said where."""
    assert (checked.status, checked.canary["outcome"]) == (3, "no grant"), checked.text
    (step,) = checked.canary["steps"]
    assert f"ended the grant: answers from {SERVER_V4}:80 to {RANGE} {words}" in step


def test_a_program_at_xdp_of_the_server_itself_is_told_by_the_server(lab: Lab) -> None:
    wrong = BY_NAME["target"]._replace(hook="--xdp", name="wrong")
    lab.route_forged("sender")
    with interception(lab, wrong, ENVIRONMENT, lambda _: None):
        checked = check(lab, "sender", *RUN, "-s", wrong.intercept)
        there = check(lab, "server", "--role", "server", *RUN)
    told(checked, "leave by eth0 of the intercept's host, where it does not look")
    assert "stop it and start gryphon-intercept --tc eth0" in checked.text
    assert any("start gryphon-intercept --tc eth0" in line for line in there.bad), there.text


def test_a_program_at_tc_egress_of_an_assistant_is_told_by_the_assistant(lab: Lab) -> None:
    wrong = ASSISTANT._replace(hook="--tc", name="wrong")
    lab.route_forged("assistant")
    with interception(lab, wrong, ENVIRONMENT, lambda _: None):
        checked = check(lab, "sender", *RUN, "-s", wrong.intercept)
        there = check(lab, "assistant", "--role", "assistant", *RUN)
    told(checked, "come in by eth0")
    assert "stop it and start gryphon-intercept --xdp eth0" in checked.text
    assert any("start gryphon-intercept --xdp eth0" in line for line in there.bad), there.text


@contextmanager
def elsewhere(lab: Lab, *before: str) -> Iterator[None]:
    """An assistant that watches the wrong interface."""
    lab.route_forged("assistant")
    running = Intercept(lab, "assistant", "elsewhere", "--xdp", "eth1", "--linger", "0", token=TOKEN, before=before)
    running.is_ready()
    try:
        yield
    finally:
        lab.end(running.child)


def test_answers_that_reach_another_interface_of_the_assistant_are_told_by_the_assistant(lab: Lab) -> None:
    with elsewhere(lab):
        checked = check(lab, "sender", *RUN, "-s", ASSISTANT.intercept)
    told(checked, "come in by eth0")
    assert "start gryphon-intercept --xdp eth0" in checked.text


def test_an_assistant_that_may_not_look_leaves_it_a_cause(lab: Lab) -> None:
    with elsewhere(lab, "setpriv", "--bounding-set", "-net_raw"):
        checked = check(lab, "sender", *RUN, "-s", ASSISTANT.intercept)
    assert checked.canary["outcome"] == "silent", checked.text
    _, mend = checked.cause("answers reach another interface of the assistant than eth1")
    assert mend.startswith(f"on {ASSISTANT.intercept}: ip -s link")


PASSING = f"answers from {SERVER_V4}:80 to {RANGE} come in by eth0 of this host, and not where they are dropped"


def test_in_the_local_topology_the_interface_that_answers_come_in_by_is_known(lab: Lab) -> None:
    lab.route_forged("sender")
    checked = check(lab, "sender", *RUN, "-s", "xdp:eth1")
    assert checked.canary["outcome"] == "silent", checked.text
    assert checked.canary["causes"] == [{"sentence": f"{PASSING} (xdp:eth1)", "mend": "-s xdp:eth0"}]
    assert "--role server" not in checked.text


def test_so_is_the_right_hook(lab: Lab) -> None:
    lab.route_forged("sender")
    checked = check(lab, "sender", *RUN, "-s", "tc:eth0")
    assert checked.canary["causes"] == [{"sentence": f"{PASSING} (tc:eth0)", "mend": "-s xdp:eth0"}], checked.text


def test_where_no_answer_comes_in_the_interface_that_leads_to_the_server_is_the_first_cause(lab: Lab) -> None:
    lab.route_forged("sender")
    with changed(lab, "server", "route del 10.17.0.0/16", "route replace 10.17.0.0/16 via 10.16.15.117"):
        checked = check(lab, "sender", *RUN, "-s", "xdp:eth1")
    assert checked.canary["outcome"] == "silent", checked.text
    place, mend = checked.cause("answers come in by eth0, which leads to the server, and eth1 is watched")
    assert (place, mend) == (1, "-s xdp:eth0")


def test_answers_that_leave_the_server_by_another_interface_are_named(lab: Lab) -> None:
    with intercepted(lab, "target") as (topology, _):
        lab.route_forged("assistant")
        checked = check(lab, "sender", *RUN, "-s", topology.intercept)
        there = check(lab, "server", *RUN)
    lab.route_forged("sender")
    told(checked, "leave by eth1")
    assert "start gryphon-intercept --tc eth1" in checked.text
    assert there.document["roles"] == ["server"]
    (line,) = [line for line in there.bad if line.startswith("route of the range")]
    assert "leads out of eth1, and eth0 is watched" in line
    assert "gryphon-intercept --tc eth1" in line


def test_a_firewall_that_rejects_the_range_is_named(lab: Lab) -> None:
    with intercepted(lab, "local"), ruled(lab, f"ip saddr {RANGE} reject with icmp type admin-prohibited"):
        checked = check(lab, "sender", *RUN, "-s", "xdp:eth0")
    assert (checked.status, checked.canary["outcome"]) == (3, "unreachable"), checked.text
    assert "ICMP error: prohibited by a filter" in checked.text
    place, mend = checked.cause("a firewall on the server rejects")
    assert place == 1
    assert f"ip saddr {RANGE} tcp dport 80 accept" in mend


def test_an_ack_that_does_not_arrive_is_seen_by_the_syn_ack_that_comes_again(lab: Lab) -> None:
    with intercepted(lab, "local"), ruled(lab, f"ip saddr {RANGE} tcp flags & (syn | ack | rst) == ack drop"):
        checked = check(lab, "sender", *RUN, "-s", "xdp:eth0")
    assert (checked.status, checked.canary["outcome"]) == (3, "repeated"), checked.text
    checked.cause("the ACK is lost on the way")
    assert checked.cause("the queue of connections that the server has not accepted is full")[0] == 1


def test_a_refused_grant_and_a_missing_intercept_are_said(lab: Lab) -> None:
    missing = check(lab, "sender", *RUN, "-s", SERVER_V4)
    assert (missing.status, missing.canary["outcome"]) == (3, "no grant")
    assert "no intercept listens at 10.16.15.118:36524: start gryphon-intercept" in missing.text
    with intercepted(lab, "target", "--allow-ranges", "10.17.99.0/24") as (topology, _):
        refused = check(lab, "sender", *RUN, "-s", topology.intercept)
    assert (refused.status, refused.canary["outcome"]) == (3, "no grant")
    assert f"the forged range {RANGE} is not allowed here" in refused.text


def test_a_missing_route_to_the_server_is_named_before_anything_is_sent(lab: Lab) -> None:
    with changed(lab, "sender", f"route add unreachable {SERVER_V4}", f"route del unreachable {SERVER_V4}"):
        checked = check(lab, "sender", *RUN, "-s", "xdp:eth0")
    assert (checked.status, checked.canary["outcome"]) == (3, "not sent"), checked.text
    assert any(line.startswith("route to the server: there is no route") for line in checked.bad)


def test_without_the_capability_to_send_the_canary_stays_and_says_so(lab: Lab) -> None:
    with intercepted(lab, "target") as (topology, _):
        checked = check(lab, "sender", *RUN, "-s", topology.intercept, before=["setpriv", "--bounding-set", "-net_raw"])
    assert (checked.status, checked.canary["outcome"]) == (3, "not sent"), checked.text
    assert "lacks CAP_NET_RAW" in checked.canary["steps"][0]
    assert any(line.startswith("CAP_NET_RAW: ") for line in checked.bad)


def test_every_server_and_range_has_a_canary(lab: Lab) -> None:
    services = f"80-{SERVER_V4}:80,81-{SERVER_V4}:81"
    with intercepted(lab, "local"):
        checked = check(lab, "sender", "-x", services, "-c", "10.17.15.0/24,10.17.16.0/24", "-s", "xdp:eth0")
    outcomes = [(flown["server"], flown["range"], flown["outcome"]) for flown in checked.document["canaries"]]
    assert outcomes == [
        (f"{SERVER_V4} port 80", "10.17.15.0/24", "connected"),
        (f"{SERVER_V4} port 80", "10.17.16.0/24", "connected"),
        (f"{SERVER_V4} port 81", "10.17.15.0/24", "refused"),
        (f"{SERVER_V4} port 81", "10.17.16.0/24", "refused"),
    ], checked.text
