"""On the server each misconfiguration alone is named, with the command that mends it, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from made_up import ETH0, ETH1, FIRST, GATEWAY, HEALTHY, RANGE, SERVER, SERVICE, bad, rows, spoiled

from gryphon.sender.check.facts import Asked, Facts, Listener, Path, Process, Stranger
from gryphon.sender.check.point import Verdict

VIA_ETH1 = Path(FIRST, device="eth1", gateway=GATEWAY, neighbour="known")
ON_ETH0 = replace(SERVER, interfaces=("eth0",))


def listening(backlog: int = 4096, waiting: int = 0, files: int = 65_536) -> Facts:
    return spoiled(listeners={SERVICE: Listener(1, backlog, waiting, (Process(77, "nginx", files),))})


def test_on_a_healthy_server_nothing_is_to_mend() -> None:
    assert bad(HEALTHY, SERVER) == []


SPOILED = [
    (
        spoiled(ranges={RANGE: Path(FIRST, error="Network is unreachable")}),
        SERVER,
        "ip route replace 10.17.15.0/24 via",
    ),
    (spoiled(ranges={RANGE: Path(FIRST, device="eth0")}), SERVER, "the kernel asks for each forged address"),
    (spoiled(ranges={RANGE: Path(FIRST, device="eth0", neighbour="silent")}), SERVER, "nobody answers"),
    (spoiled(ranges={RANGE: Path(FIRST, local=True)}), SERVER, "is an address of this host itself"),
    (spoiled(ranges={RANGE: VIA_ETH1._replace(neighbour="silent")}), SERVER, "does not say its hardware address"),
    (HEALTHY, ON_ETH0, "leads out of eth1, and eth0 is watched: answers leave unseen"),
    (spoiled(interfaces=(ETH0._replace(tc=True), ETH1)), SERVER, "gryphon-intercept --tc eth1"),
    (spoiled(interfaces=(ETH0._replace(xdp="gryphon_xdp"), ETH1)), SERVER, "start gryphon-intercept --tc eth0"),
    (
        spoiled(sysctls={"net.ipv4.conf.eth0.rp_filter": 1}),
        SERVER,
        "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0",
    ),
    (spoiled(strangers=(Stranger(ip_address("10.17.15.9"), "eth1", "02:00"),)), SERVER, "10.17.15.9, a real host"),
    (HEALTHY, replace(SERVER, networks=(ip_network("10.16.15.112/28"),)), "contains 10.16.15.118, the server under"),
    (listening(backlog=1), SERVER, "10.16.15.118:80 listens with a backlog of 1, too short"),
    (listening(waiting=4096), SERVER, "the queue is full"),
    (listening(backlog=0, waiting=1), SERVER, "the queue is full"),
    (listening(files=64), SERVER, "prlimit --pid 77 --nofile=2024:2024"),
    (spoiled(listeners={SERVICE: None}), SERVER, "nothing listens at 10.16.15.118:80"),
    (spoiled(sysctls={"net.core.somaxconn": 100}), SERVER, "sysctl -w net.core.somaxconn=4096"),
    (spoiled(sysctls={"net.ipv4.tcp_max_syn_backlog": 64}), SERVER, "sysctl -w net.ipv4.tcp_max_syn_backlog=4096"),
    (spoiled(sysctls={"net.ipv4.tcp_syncookies": 2}), SERVER, "sysctl -w net.ipv4.tcp_syncookies=1"),
    (spoiled(sysctls={"fs.file-max": 1024}), SERVER, "sysctl -w fs.file-max=2000"),
]


@pytest.mark.parametrize(("facts", "asked", "named"), SPOILED, ids=[named[:40] for _, _, named in SPOILED])
def test_what_is_wrong_is_named_and_nothing_else(facts: Facts, asked: Asked, named: str) -> None:
    found = [line for line in bad(facts, asked) if "gryphon's program on" not in line or "--tc eth0" in named]
    assert any(named in line for line in found), found
    assert len({line.partition(":")[0] for line in found}) == 1


@pytest.mark.parametrize(("count", "full"), [(0, False), (94_000, False), (95_000, True), (100_000, True)])
def test_a_full_table_of_connections_is_named(count: int, full: bool) -> None:
    facts = spoiled(
        sysctls={"net.netfilter.nf_conntrack_count": count, "net.netfilter.nf_conntrack_max": 100_000},
    )
    found = bad(facts, replace(SERVER, users=1))
    assert bool(found) == full
    assert all("is full" in line and "sysctl -w net.netfilter.nf_conntrack_max=200000" in line for line in found)


def test_users_that_do_not_fit_into_the_table_of_connections_are_named() -> None:
    table = {"net.netfilter.nf_conntrack_count": 10, "net.netfilter.nf_conntrack_max": 65_536}
    files = {SERVICE: Listener(1, 4096, 0, (Process(77, "nginx", 1 << 20),))}
    facts = spoiled(sysctls=table, listeners=files)
    (line,) = bad(facts, replace(SERVER, users=100_000))
    assert "100,000 users do not fit into the table of tracked connections" in line
    assert "nf_conntrack_max=200020" in line


def test_a_strict_filter_is_harmless_where_the_range_is_routed_back_out_of_that_interface() -> None:
    facts = spoiled(sysctls={"net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.eth1.rp_filter": 1})
    assert bad(facts, SERVER) == []


def test_a_loose_filter_drops_only_what_has_no_route() -> None:
    loose = spoiled(sysctls={"net.ipv4.conf.all.rp_filter": 2})
    assert bad(loose, SERVER) == []
    lost = spoiled(loose, ranges={RANGE: Path(FIRST, error="Network is unreachable")})
    assert any(line.startswith("rp_filter: rp_filter 2 on eth0") for line in bad(lost, SERVER))


def test_ipv6_has_no_rp_filter() -> None:
    six = ip_network("fd00:17::/64")
    asked = replace(SERVER, networks=(six,), services=())
    facts = spoiled(
        sysctls={"net.ipv4.conf.all.rp_filter": 1},
        ranges={six: Path(six[1], device="eth0", gateway=ip_address("fd00:16:15::1"))},
    )
    assert [row.finding.seen for row in rows(facts, asked, "rp_filter")] == ["IPv6 has no rp_filter"]


def test_a_queue_between_short_and_plenty_depends_on_the_server() -> None:
    (row,) = rows(listening(backlog=511), SERVER, "listening")
    assert row.finding.verdict is Verdict.UNKNOWN
    assert "backlog=4096" in row.finding.mend


def test_a_small_run_needs_only_a_small_queue() -> None:
    (row,) = rows(listening(backlog=64), replace(SERVER, users=10), "listening")
    assert row.finding.verdict is Verdict.SUPPORTED


def test_the_limits_of_all_workers_count_together() -> None:
    workers = tuple(Process(number, "nginx", 600) for number in (5, 6))
    facts = spoiled(listeners={SERVICE: Listener(2, 4096, 0, workers)})
    (row,) = rows(facts, SERVER, "file limit")
    assert row.finding.verdict is Verdict.SUPPORTED
    assert "2 processes of nginx (5, ...) together may open 1,200 files" in row.finding.seen


def test_a_range_on_the_link_of_an_interface_is_no_fault_as_long_as_nobody_answers() -> None:
    beside = ETH1._replace(addresses=(ip_interface("10.17.15.200/26"),))
    range_ = ip_network("10.17.15.0/25")
    facts = spoiled(interfaces=(ETH0, beside), ranges={range_: VIA_ETH1})
    assert bad(facts, replace(SERVER, networks=(range_,))) == []
    wider = ip_network("10.17.0.0/16")
    inside = spoiled(facts, ranges={wider: VIA_ETH1})
    (line,) = bad(inside, replace(SERVER, networks=(wider,)))
    assert "contains 10.17.15.200, an address of this host" in line


def test_without_a_range_the_route_is_told_as_unknown() -> None:
    (row,) = rows(HEALTHY, replace(SERVER, networks=()), "route of the range")
    assert row.finding.verdict is Verdict.UNKNOWN


def test_each_of_several_processes_with_too_few_files_gets_the_command() -> None:
    workers = tuple(Process(number, "nginx", 100) for number in (5, 6))
    facts = spoiled(listeners={SERVICE: Listener(2, 4096, 0, workers)})
    (line,) = bad(facts, SERVER)
    assert "for p in 5 6; do prlimit --pid $p --nofile=1524:1524; done" in line


def test_a_strict_filter_counts_only_where_packets_for_the_service_come_in() -> None:
    bridge = ETH1._replace(name="docker0", addresses=(ip_interface("172.17.0.1/16"),))
    facts = spoiled(interfaces=(ETH0, ETH1, bridge), sysctls={"net.ipv4.conf.docker0.rp_filter": 1})
    assert bad(facts, SERVER) == []
    assert len(bad(facts, replace(SERVER, services=()))) == 1


@pytest.mark.parametrize("name", ["net.core.somaxconn", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_tw_reuse"])
def test_a_setting_that_cannot_be_read_is_unknown(name: str) -> None:
    facts = replace(HEALTHY, sysctls={key: value for key, value in HEALTHY.sysctls.items() if key != name})
    (row,) = rows(facts, SERVER, name.rpartition(".")[2])
    assert row.finding == (Verdict.UNKNOWN, f"{name} cannot be read", "")


@pytest.mark.parametrize(
    ("value", "verdict", "told"),
    [(0, Verdict.SUPPORTED, "off: when"), (1, Verdict.SUPPORTED, "cookies only when"), (2, Verdict.NOT, "no measure")],
)
def test_cookies_are_a_fault_only_when_every_connection_gets_one(value: int, verdict: Verdict, told: str) -> None:
    (row,) = rows(spoiled(sysctls={"net.ipv4.tcp_syncookies": value}), SERVER, "tcp_syncookies")
    assert row.finding.verdict is verdict
    assert told in row.finding.seen


@pytest.mark.parametrize(("value", "verdict"), [(0, Verdict.UNKNOWN), (1, Verdict.SUPPORTED), (2, Verdict.UNKNOWN)])
def test_ports_used_again_matter_to_a_proxy_alone(value: int, verdict: Verdict) -> None:
    (row,) = rows(spoiled(sysctls={"net.ipv4.tcp_tw_reuse": value}), SERVER, "tcp_tw_reuse")
    assert row.finding.verdict is verdict
    assert not row.bad


@pytest.mark.parametrize(
    ("listeners", "users", "mend"),
    [
        ({}, 1000, "gryphon check --role server -x PORT-ADDRESS:PORT -u USERS"),
        ({SERVICE: Listener(1, 4096, 0, None)}, 1000, "run gryphon check with sudo"),
        ({SERVICE: Listener(1, 4096, 0, (Process(77, "nginx", 1024),))}, None, "give -u"),
    ],
    ids=["no service", "somebody else's socket", "no users"],
)
def test_what_is_not_known_of_open_files_is_said_with_how_to_know_it(listeners: Any, users: Any, mend: str) -> None:
    (row,) = rows(spoiled(listeners=listeners), replace(SERVER, users=users), "file limit")
    assert (row.finding.verdict, row.finding.mend) == (Verdict.UNKNOWN, mend)
