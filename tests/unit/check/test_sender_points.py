"""The sender's way to each server, and whether the network may take its packets, as far as this host can tell."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from made_up import AWAY, GATEWAY, HEALTHY, SENDER, SERVICE, rows, spoiled

from gryphon.sender.check.facts import Path
from gryphon.sender.check.point import Verdict

POINT = "route to the server"


@pytest.mark.parametrize(
    ("path", "verdict", "seen"),
    [
        (None, Verdict.UNKNOWN, "10.16.15.118:80: the routes cannot be read"),
        (Path(SERVICE[0], local=True), Verdict.SUPPORTED, "is this host itself: packets go through loopback"),
        (Path(SERVICE[0], device="eth0"), Verdict.SUPPORTED, "10.16.15.118:80 is reached by eth0"),
        (Path(SERVICE[0], device="eth0", gateway=GATEWAY), Verdict.SUPPORTED, "reached by eth0 via 10.16.16.119"),
        (
            Path(SERVICE[0], device="eth0", gateway=GATEWAY, neighbour="silent"),
            Verdict.NOT,
            "and 10.16.16.119 there does not say its hardware address",
        ),
    ],
)
def test_a_server_is_reached_as_its_path_says(path: Path | None, verdict: Verdict, seen: str) -> None:
    (row,) = rows(spoiled(AWAY, servers={} if path is None else {SERVICE: path}), SENDER, POINT)
    assert row.finding.verdict is verdict
    assert row.finding.seen.endswith(seen)


def test_each_of_several_servers_has_its_own_finding() -> None:
    other = (ip_address("10.16.15.120"), 443)
    facts = spoiled(AWAY, servers={**AWAY.servers, other: Path(other[0], error="Network is unreachable")})
    found = rows(facts, replace(SENDER, services=(SERVICE, other)), POINT)
    assert [row.finding.verdict for row in found] == [Verdict.SUPPORTED, Verdict.NOT]


def test_without_a_server_its_way_is_unknown() -> None:
    (row,) = rows(AWAY, replace(SENDER, services=()), POINT)
    assert (row.finding.verdict, row.finding.mend) == (
        Verdict.UNKNOWN,
        "gryphon check --role sender -x PORT-SERVER:PORT",
    )


@pytest.mark.parametrize("flies", [True, False])
def test_a_machine_without_a_maker_leaves_it_to_the_canary_or_says_how_to_send_one(flies: bool) -> None:
    asked = SENDER if flies else replace(SENDER, networks=())
    (row,) = rows(spoiled(AWAY, vendor=None), asked, "source validation")
    assert row.finding.verdict is Verdict.UNKNOWN
    assert row.finding.mend == ("the canary is one" if flies else "gryphon check -x ... -s ... -c ... sends one")


def test_a_cloud_is_known_in_any_spelling() -> None:
    for vendor in ("Microsoft Corporation", "MICROSOFT"):
        (row,) = rows(spoiled(AWAY, vendor=vendor), SENDER, "source validation")
        assert row.finding.mend.startswith("az network nic update --ip-forwarding true")


@pytest.mark.parametrize("raw", [True, False])
def test_forged_packets_need_the_capability(raw: bool) -> None:
    (row,) = rows(spoiled(HEALTHY, raw=raw), SENDER, "CAP_NET_RAW")
    assert row.bad is not raw
