"""Made-up hosts for the points: a healthy one, to be spoiled by each test."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from gryphon.controller.source import IPNetwork, Service
from gryphon.sender.check.facts import Asked, Facts, Interface, Listener, Path, Process
from gryphon.sender.check.point import Row, Verdict, judge
from gryphon.sender.check.points import POINTS

SERVICE: Service = (ip_address("10.16.15.118"), 80)
RANGE: IPNetwork = ip_network("10.17.15.0/24")
FIRST = ip_address("10.17.15.1")
GATEWAY = ip_address("10.16.16.119")

ETH0 = Interface("eth0", 2, True, True, (ip_interface("10.16.15.118/24"),), 5, "", False, {"rx-gro": True})
ETH1 = Interface("eth1", 3, True, True, (ip_interface("10.16.16.118/24"),), 5, "", False, {})
SYSCTLS = {
    "fs.file-max": 1_000_000,
    "net.core.somaxconn": 4096,
    "net.ipv4.ip_forward": 0,
    "net.ipv4.tcp_max_syn_backlog": 4096,
    "net.ipv4.tcp_syncookies": 1,
    "net.ipv4.tcp_tw_reuse": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv6.conf.all.forwarding": 0,
}
HEALTHY = Facts(
    release="6.18.1",
    ring_buffer=True,
    live_frames=True,
    clsact=True,
    memory_lock=-1,
    vendor="Somebody",
    interfaces=(ETH0, ETH1),
    sysctls=SYSCTLS,
    ranges={RANGE: Path(FIRST, device="eth1", gateway=GATEWAY, neighbour="known")},
    servers={SERVICE: Path(SERVICE[0], local=True, device="lo")},
    listeners={SERVICE: Listener(1, 4096, 0, (Process(77, "nginx", 65_536),))},
)
SERVER = Asked(roles=("server",), networks=(RANGE,), services=(SERVICE,), intercepts=("10.16.17.119",), users=1000)
SENDER = replace(SERVER, roles=("sender",))
ASSISTANT = replace(SERVER, roles=("assistant",))
AWAY = replace(HEALTHY, servers={SERVICE: Path(SERVICE[0], device="eth0", neighbour="known")}, listeners={})


def spoiled(facts: Facts = HEALTHY, **changes: Any) -> Facts:
    """A host with other facts; ``sysctls`` are added to those there are."""
    if "sysctls" in changes:
        changes["sysctls"] = {**facts.sysctls, **changes["sysctls"]}
    return replace(facts, **changes)


def rows(facts: Facts, asked: Asked, point: str = "") -> list[Row]:
    """What the points find, or one of them."""
    found = judge(POINTS, facts, asked)
    return [row for row in found if row.point == point] if point else found


def bad(facts: Facts, asked: Asked) -> list[str]:
    """What is to mend, each as point, what was seen and the command."""
    return [
        f"{row.point}: {row.finding.seen} -> {row.finding.mend}"
        for row in rows(facts, asked)
        if row.finding.verdict is Verdict.NOT
    ]
