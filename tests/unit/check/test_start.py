"""At the start of a run each problem is one warning with its command; nothing is said where all is well."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from made_up import AWAY, ETH0, ETH1, HEALTHY, RANGE, SERVICE, spoiled

from gryphon.sender.check import start
from gryphon.sender.check.facts import Facts, Path, Stranger
from gryphon.sender.intercepts import Place
from gryphon.sender.ranges import parse_pool
from gryphon.sender.transfers import Transfers

POOL, TRANSFERS = parse_pool("10.17.15.*"), Transfers((SERVICE,), {80: 0})
REMOTE, LOCAL = [Place("10.16.15.119", 36524)], [Place(hook="xdp", interface="eth0")]
HERE = [Place(hook="tc", interface="eth0")]
TABLE = {"net.netfilter.nf_conntrack_count": 10, "net.netfilter.nf_conntrack_max": 1000}
FORWARDING = {"net.ipv4.ip_forward": 1}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    def warned(facts: Facts, places: list[Place], users: int = 10, way: str = "raw") -> list[str]:
        monkeypatch.setattr(start, "gather_quick", lambda asked: facts)
        caplog.clear()
        start.warn_before(TRANSFERS, POOL, places, users, way)
        return [record.getMessage() for record in caplog.records]

    with caplog.at_level(logging.WARNING, "gryphon"):
        yield warned


@pytest.mark.parametrize("places", [REMOTE, LOCAL], ids=["remote", "local"])
def test_nothing_is_said_where_all_is_well(said: Any, places: list[Place]) -> None:
    assert said(AWAY, places) == []


@pytest.mark.parametrize(
    ("facts", "places", "words"),
    [
        (spoiled(AWAY, servers={SERVICE: Path(SERVICE[0], error="gone")}), REMOTE, "there is no route to 10.16.15.118"),
        (spoiled(AWAY, sysctls=TABLE), REMOTE, "2,000 users do not fit into the table of tracked connections"),
        (spoiled(AWAY, sysctls=FORWARDING), LOCAL, "sysctl -w net.ipv4.ip_forward=0"),
        (
            spoiled(AWAY, strangers=(Stranger(ip_address("10.17.15.9"), "eth0", "02"),)),
            REMOTE,
            "10.17.15.9, a real host",
        ),
        (HEALTHY, HERE, "leads out of eth1, and eth0 is watched"),
    ],
    ids=["no route", "tracked", "forwarding", "real host", "other interface"],
)
def test_each_problem_is_one_line_with_its_command(said: Any, facts: Facts, places: list[Place], words: str) -> None:
    (line,) = said(facts, places, 2000)
    assert words in line
    assert line.endswith("(gryphon check says more)")


def test_what_does_not_matter_for_this_run_is_not_said(said: Any) -> None:
    assert said(spoiled(AWAY, sysctls=FORWARDING), REMOTE) == []
    assert said(spoiled(AWAY, sysctls=TABLE), REMOTE, 2000, "link") == []
    on_link = replace(AWAY, ranges={RANGE: Path(POOL.networks[0][1], device="eth0")}, interfaces=(ETH0, ETH1))
    assert said(on_link, REMOTE) == []


def test_a_check_that_cannot_be_made_stops_no_run(monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    def broken(asked: Any) -> Facts:
        raise OSError("no netlink here")

    monkeypatch.setattr(start, "gather_quick", broken)
    start.warn_before(TRANSFERS, POOL, REMOTE, 10, "raw")
