"""Where answers to a forged range go, whose addresses it has, and what a filter of sources makes of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from made_up import AWAY, ETH0, ETH1, FIRST, GATEWAY, HEALTHY, RANGE, SENDER, SERVER, rows, spoiled

from gryphon.sender.check.facts import Path, Stranger
from gryphon.sender.check.point import Verdict
from gryphon.sender.check.range_points import watched

COMMON = "net.ipv4.conf.all.rp_filter"


def test_a_range_beside_this_host_s_own_address_on_its_network_is_nobody_s_yet() -> None:
    beside = ETH1._replace(addresses=(ip_interface("10.17.15.200/24"),))
    asked = replace(SENDER, networks=(ip_network("10.17.15.0/25"),))
    (row,) = rows(spoiled(AWAY, interfaces=(ETH0, beside)), asked, "forged range")
    assert row.finding.verdict is Verdict.UNKNOWN
    assert row.finding.seen.startswith("10.17.15.0/25 overlaps the network on eth1; nobody there has answered yet")


def test_a_real_host_counts_in_the_range_that_has_it_alone() -> None:
    there = spoiled(AWAY, strangers=(Stranger(ip_address("10.17.15.9"), "eth1", "02:00"),))
    asked = replace(SENDER, networks=(RANGE, ip_network("10.17.16.0/24")))
    assert [row.finding.verdict for row in rows(there, asked, "forged range")] == [Verdict.NOT, Verdict.SUPPORTED]


def test_the_server_s_own_address_comes_before_every_other_owner() -> None:
    asked = replace(SERVER, networks=(ip_network("10.16.0.0/16"),))
    (row,) = rows(HEALTHY, asked, "forged range")
    assert row.finding.seen == "10.16.0.0/16 contains 10.16.15.118, the server under test"


def test_a_range_on_the_link_with_an_entry_for_it_is_answered() -> None:
    path = Path(FIRST, device="eth0", neighbour="known")
    (row,) = rows(spoiled(ranges={RANGE: path}), SERVER, "route of the range")
    assert row.finding.verdict is Verdict.SUPPORTED
    assert row.finding.seen.endswith("on its link, with an entry for 10.17.15.1")


def test_a_range_whose_routes_cannot_be_read_is_unknown() -> None:
    (row,) = rows(spoiled(ranges={}), SERVER, "route of the range")
    assert row.finding == (Verdict.UNKNOWN, "10.17.15.0/24: the routes cannot be read", "")


def test_answers_leave_where_it_was_said_else_where_the_run_looks_else_where_a_filter_hangs() -> None:
    filtered = spoiled(interfaces=(ETH0._replace(tc=True), ETH1))
    run = replace(SERVER, local=(("tc", "eth1"), ("xdp", "eth2")))
    assert watched(filtered, replace(run, interfaces=("eth7",))) == ("eth7",)
    assert watched(filtered, run) == ("eth1",)
    assert watched(filtered, SERVER) == ("eth0",)
    assert watched(HEALTHY, SERVER) == ()


def test_a_setting_that_cannot_be_read_is_unknown() -> None:
    facts = replace(HEALTHY, sysctls={})
    (row,) = rows(facts, SERVER, "rp_filter")
    assert row.finding == (Verdict.UNKNOWN, f"{COMMON} cannot be read", "")


@pytest.mark.parametrize(
    ("common", "own", "device", "verdict"),
    [
        (0, 0, "eth1", Verdict.SUPPORTED),
        (1, 0, "eth0", Verdict.SUPPORTED),
        (1, 0, "eth1", Verdict.NOT),
        (0, 1, "eth1", Verdict.NOT),
        (2, 1, "eth1", Verdict.SUPPORTED),
        (1, 2, "eth1", Verdict.SUPPORTED),
    ],
)
def test_the_larger_of_both_settings_counts(common: int, own: int, device: str, verdict: Verdict) -> None:
    facts = spoiled(
        sysctls={COMMON: common, "net.ipv4.conf.eth0.rp_filter": own},
        ranges={RANGE: Path(FIRST, device=device, gateway=GATEWAY, neighbour="known")},
    )
    (row,) = rows(facts, SERVER, "rp_filter")
    assert row.finding.verdict is verdict


def test_a_strict_filter_depends_on_a_range_that_nobody_named() -> None:
    (row,) = rows(spoiled(sysctls={COMMON: 1}), replace(SERVER, networks=()), "rp_filter")
    assert row.finding.verdict is Verdict.UNKNOWN
    assert row.finding.mend == f"sysctl -w {COMMON}=0 net.ipv4.conf.eth0.rp_filter=0"
