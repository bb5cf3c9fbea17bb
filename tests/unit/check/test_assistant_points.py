"""Where answers arrive: what joins, tags, forwards or filters them, and whether they arrive where somebody looks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_up import ASSISTANT, AWAY, ETH0, ETH1, SENDER, SERVICE, rows, spoiled

from gryphon.sender.check.facts import Facts, Path
from gryphon.sender.check.point import Verdict

AT_ETH0 = replace(ASSISTANT, interfaces=("eth0",))


def eth0(**changes: Any) -> Facts:
    return spoiled(AWAY, interfaces=(ETH0._replace(**changes), ETH1))


@pytest.mark.parametrize("point", ["ip_forward", "rp_filter"])
def test_a_setting_that_cannot_be_read_is_unknown(point: str) -> None:
    (row,) = rows(replace(AWAY, sysctls={}), ASSISTANT, point)
    assert row.finding.verdict is Verdict.UNKNOWN
    assert row.finding.seen.endswith("cannot be read")


@pytest.mark.parametrize("value", [0, 1, 2])
def test_a_filter_of_sources_is_harmless_behind_xdp_whatever_it_is(value: int) -> None:
    (row,) = rows(spoiled(AWAY, sysctls={"net.ipv4.conf.all.rp_filter": value}), ASSISTANT, "rp_filter")
    assert row.finding.verdict is Verdict.SUPPORTED
    assert row.finding.seen.startswith(f"{value}: ")


@pytest.mark.parametrize(
    ("offloads", "verdict", "told"),
    [
        (None, Verdict.UNKNOWN, "cannot be read"),
        ({}, Verdict.SUPPORTED, "LRO and GRO are off"),
        ({"rx-gro": True}, Verdict.SUPPORTED, "GRO is on, behind native XDP"),
        ({"rx-lro": True, "rx-gro": True}, Verdict.NOT, "lro is on"),
        ({"rx-gro-hw": True}, Verdict.NOT, "gro-hw is on"),
    ],
)
def test_what_joins_segments_in_front_of_xdp_is_to_mend(offloads: Any, verdict: Verdict, told: str) -> None:
    (row,) = rows(eth0(offloads=offloads), AT_ETH0, "GRO and LRO")
    assert row.finding.verdict is verdict
    assert told in row.finding.seen


@pytest.mark.parametrize(
    ("offloads", "told"),
    [
        (None, "cannot be read"),
        ({"rx-vlan-hw-parse": True}, "the card takes VLAN tags off"),
        ({}, "VLAN tags are read by the program"),
    ],
)
def test_where_vlan_tags_go_is_told(offloads: Any, told: str) -> None:
    (row,) = rows(eth0(offloads=offloads), AT_ETH0, "VLAN offload")
    assert told in row.finding.seen
    assert row.finding.verdict is (Verdict.UNKNOWN if offloads is None else Verdict.SUPPORTED)


def test_of_a_local_interception_its_own_interface_counts() -> None:
    asked = replace(ASSISTANT, local=(("xdp", "eth1"),))
    assert [row.finding.seen.partition(":")[0] for row in rows(AWAY, asked, "GRO and LRO")] == ["eth1"]


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        ({"tc": True}, "stop that gryphon-intercept and start gryphon-intercept --xdp eth0"),
        ({"tc": True, "xdp": "gryphon_xdp"}, ""),
        ({"xdp": "another"}, "ip link set dev eth0 xdp off"),
    ],
)
def test_what_hangs_at_the_wrong_hook_or_in_the_way_is_to_mend(changes: Any, mend: str) -> None:
    found = [row.finding.mend for row in rows(eth0(**changes), AT_ETH0, "hook") if row.bad]
    assert found == ([mend] if mend else [])


def test_somebody_else_s_program_on_an_interface_that_is_not_watched_is_left_alone() -> None:
    facts = spoiled(AWAY, interfaces=(ETH0, ETH1._replace(xdp="another")))
    assert not any(row.bad for row in rows(facts, AT_ETH0, "hook"))


@pytest.mark.parametrize(
    "path",
    [Path(SERVICE[0], local=True), Path(SERVICE[0], error="Network is unreachable")],
    ids=["this host itself", "no route"],
)
def test_a_server_that_no_interface_leads_to_says_nothing_of_the_one_that_is_watched(path: Path) -> None:
    facts = spoiled(AWAY, servers={SERVICE: path})
    assert rows(facts, replace(SENDER, roles=("assistant",), local=(("xdp", "eth1"),)), "hook") == []
