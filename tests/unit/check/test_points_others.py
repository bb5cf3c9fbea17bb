"""On the sender, the assistant and any host each misconfiguration is named with the command that mends it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from made_up import ASSISTANT, AWAY, ETH0, ETH1, HEALTHY, SENDER, SERVICE, bad, rows, spoiled

from gryphon.sender.check.facts import Asked, Facts, Path
from gryphon.sender.check.point import Verdict

LOCAL = replace(SENDER, roles=("sender", "assistant"), intercepts=(), local=(("xdp", "eth0"),))
NOBODY = Asked()
FULL = {"net.netfilter.nf_conntrack_count": 990, "net.netfilter.nf_conntrack_max": 1000}


def eth0(**changes: object) -> Facts:
    return spoiled(AWAY, interfaces=(ETH0._replace(**changes), ETH1))  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [SENDER, ASSISTANT, LOCAL, NOBODY], ids=["sender", "assistant", "local", "nobody"])
def test_on_a_healthy_host_nothing_is_to_mend(asked: Asked) -> None:
    assert bad(AWAY, asked) == []


SPOILED = [
    (spoiled(AWAY, raw=False), SENDER, "lacks CAP_NET_RAW"),
    (
        spoiled(AWAY, servers={SERVICE: Path(SERVICE[0], error="Network is unreachable")}),
        SENDER,
        "there is no route to 10.16.15.118:80 (Network is unreachable) -> ip route add 10.16.15.118 via GATEWAY",
    ),
    (
        spoiled(AWAY, servers={SERVICE: Path(SERVICE[0], device="eth0", neighbour="silent")}),
        SENDER,
        "ip neighbour replace 10.16.15.118 lladdr ADDRESS dev eth0",
    ),
    (spoiled(AWAY, sysctls=FULL), SENDER, "the table of tracked connections is full"),
    (spoiled(AWAY, sysctls={"net.ipv4.ip_forward": 1}), ASSISTANT, "sysctl -w net.ipv4.ip_forward=0"),
    (spoiled(AWAY, sysctls={"net.ipv4.ip_forward": 1}), LOCAL, "sysctl -w net.ipv4.ip_forward=0"),
    (eth0(offloads={"rx-lro": True, "rx-gro-hw": True}), ASSISTANT, "ethtool -K eth0 lro off rx-gro-hw off"),
    (eth0(tc=True), ASSISTANT, "start gryphon-intercept --xdp eth0"),
    (eth0(xdp="somebody_else"), ASSISTANT, "ip link set dev eth0 xdp off"),
    (eth0(up=False), replace(ASSISTANT, interfaces=("eth0",)), "ip link set dev eth0 up"),
    (AWAY, replace(ASSISTANT, interfaces=("eth7",)), "there is no interface eth7"),
    (spoiled(AWAY, release="5.10.0-8-amd64"), NOBODY, "install Linux 5.18 or newer"),
    (spoiled(AWAY, ring_buffer=False), NOBODY, "install Linux 5.18 or newer"),
    (spoiled(AWAY, clsact=False), NOBODY, "modprobe sch_ingress"),
    (spoiled(AWAY, missing=("CAP_BPF",)), NOBODY, "lacks CAP_BPF -> sudo gryphon check"),
    (spoiled(AWAY, bcc="`sudo apt install python3-bpfcc`"), NOBODY, "apt install python3-bpfcc"),
    (spoiled(AWAY, headers="missing"), NOBODY, "apt install linux-libc-dev"),
]


@pytest.mark.parametrize(("facts", "asked", "named"), SPOILED, ids=[named[:40] for _, _, named in SPOILED])
def test_what_is_wrong_is_named_and_nothing_else(facts: Facts, asked: Asked, named: str) -> None:
    (line,) = bad(facts, asked)
    assert named in line
    assert any(row.bad for row in rows(facts, asked))


def test_a_driver_that_stops_joining_by_itself_has_nothing_to_mend() -> None:
    """virtio_net says so only by what it does: its feature stays on."""
    assert bad(eth0(offloads={"rx-gro-hw": True}, driver="virtio_net"), ASSISTANT) == []
    assert bad(eth0(offloads={"rx-gro-hw": True}, driver="bnx2x"), ASSISTANT) != []
    assert bad(eth0(offloads={"rx-gro-hw": True, "rx-lro": True}, driver="virtio_net"), ASSISTANT) != []


def test_locked_memory_counts_on_old_kernels_only() -> None:
    old = spoiled(AWAY, release="5.4.0", memory_lock=65_536)
    assert any("ulimit -l unlimited" in line for line in bad(old, NOBODY))
    assert bad(spoiled(AWAY, memory_lock=65_536), NOBODY) == []


def test_missing_live_frames_are_told_but_fail_nothing() -> None:
    facts = spoiled(AWAY, live_frames=False)
    (row,) = rows(facts, SENDER, "live frames")
    assert row.finding.verdict is Verdict.NOT
    assert not row.bad


def test_a_sender_with_a_remote_intercept_needs_no_bcc() -> None:
    facts = spoiled(AWAY, bcc="not installed", missing=("CAP_BPF",), headers="missing")
    assert not any(row.bad for row in rows(facts, SENDER))
    assert [row.point for row in rows(facts, LOCAL) if row.bad] == ["capabilities", "bcc", "UAPI headers"]


def test_frames_pass_connection_tracking_by() -> None:
    assert bad(spoiled(AWAY, sysctls=FULL), replace(SENDER, past_netfilter=True)) == []


def test_what_may_not_be_tried_is_told_as_unknown() -> None:
    facts = spoiled(AWAY, ring_buffer=None, clsact=None, live_frames=None)
    assert {row.point for row in rows(facts, NOBODY) if row.finding.verdict is Verdict.UNKNOWN} == {
        "ring buffer",
        "clsact",
        "live frames",
    }


@pytest.mark.parametrize(
    ("bits", "told"), [(5, "native and generic"), (1, "sends no frames"), (0, "generic only"), (None, "does not say")]
)
def test_what_a_driver_can_of_xdp_is_told(bits: int | None, told: str) -> None:
    (row,) = rows(eth0(xdp_features=bits), replace(ASSISTANT, interfaces=("eth0",)), "XDP")
    assert told in row.finding.seen


def test_a_watched_interface_that_does_not_lead_to_the_server_is_told() -> None:
    asked = replace(LOCAL, local=(("xdp", "eth1"),))
    found = [row.finding for row in rows(AWAY, asked, "hook")]
    assert [(finding.verdict, finding.mend) for finding in found] == [(Verdict.UNKNOWN, "-s xdp:eth0")]
    assert [row.finding.verdict for row in rows(AWAY, LOCAL, "hook")] == [Verdict.SUPPORTED]


@pytest.mark.parametrize(
    ("vendor", "mend"),
    [("Amazon EC2", "--no-source-dest-check"), ("Google", "--can-ip-forward"), ("Dell Inc.", "canary is one")],
)
def test_a_cloud_that_drops_forged_sources_is_told_with_its_switch(vendor: str, mend: str) -> None:
    (row,) = rows(spoiled(AWAY, vendor=vendor), SENDER, "source validation")
    assert row.finding.verdict is Verdict.UNKNOWN
    assert mend in row.finding.mend + row.finding.seen


def test_a_forged_range_in_ipv6_looks_at_its_own_forwarding() -> None:
    from ipaddress import ip_network

    asked = replace(ASSISTANT, networks=(ip_network("fd00:17::/64"),), services=((ip_address("fd00::1"), 80),))
    assert bad(spoiled(HEALTHY, sysctls={"net.ipv4.ip_forward": 1}), asked) == []
    assert len(bad(spoiled(HEALTHY, sysctls={"net.ipv6.conf.all.forwarding": 1}), asked)) == 1
