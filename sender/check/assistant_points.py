"""Points of a host on which answers arrive: an assistant, or the sender itself in the local topology."""

from __future__ import annotations

from collections.abc import Iterator

from gryphon.sender.check.facts import Asked, Facts, Interface, Path
from gryphon.sender.check.point import Finding, Point, missing, supported, unknown
from gryphon.sender.check.range_points import overlap

_V4, _V6 = "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"


def forwarding(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """What is not dropped must not be sent on to whoever has the address elsewhere."""
    name = _V6 if asked.networks and asked.networks[0].version == 6 else _V4
    value = facts.sysctls.get(name)
    if value is None:
        yield unknown(f"{name} cannot be read")
    elif value:
        yield missing(
            f"{name} is on: answers that are not dropped go on to others, or back to the server in a loop",
            f"sysctl -w {name}=0",
        )
    else:
        yield supported(f"{name} is off")


def rp_filter(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """It comes after XDP."""
    value = facts.sysctls.get("net.ipv4.conf.all.rp_filter")
    if value is None:
        yield unknown("net.ipv4.conf.all.rp_filter cannot be read")
    else:
        yield supported(f"{value}: XDP is in front of it, answers are dropped and recorded whatever it says")


def offloads(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """LRO joins segments in the card, where no program has seen them yet; GRO does so behind native XDP."""
    for one in _watched(facts, asked):
        if one.offloads is None:
            yield unknown(f"{one.name}: its offloads cannot be read")
            continue
        joined = [name for name in ("lro", "gro-hw") if one.offloads.get(f"rx-{name}")]
        if joined == ["gro-hw"] and one.driver in _YIELDS:
            yield supported(f"{one.name}: gro-hw is on, and {one.driver} turns it off while a program is at native XDP")
        elif joined:
            yield missing(
                f"{one.name}: {' and '.join(joined)} is on: segments are joined before XDP, or XDP is refused",
                f"ethtool -K {one.name} {' '.join(f'{_ETHTOOL[name]} off' for name in joined)}",
            )
        elif one.offloads.get("rx-gro"):
            yield supported(
                f"{one.name}: LRO off; GRO is on, behind native XDP (generic: one record of joined segments)"
            )
        else:
            yield supported(f"{one.name}: LRO and GRO are off")


_YIELDS = {"virtio_net"}
"""Drivers that have the other side join no segments for as long as there is an XDP program (virtnet_xdp_set)."""
_ETHTOOL = {"lro": "lro", "gro-hw": "rx-gro-hw"}


def vlan(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Either way the program finds the IP header."""
    for one in _watched(facts, asked):
        if one.offloads is None:
            yield unknown(f"{one.name}: its offloads cannot be read")
        elif one.offloads.get("rx-vlan-hw-parse"):
            yield supported(f"{one.name}: the card takes VLAN tags off (answers of every VLAN count)")
        else:
            yield supported(f"{one.name}: VLAN tags are read by the program")


def _watched(facts: Facts, asked: Asked) -> list[Interface]:
    """The interfaces in question: of a local interception its own."""
    local = {name for hook, name in asked.local if hook == "xdp"}
    return [one for one in facts.interfaces if one.name in local] if local else facts.named(asked)


def hook(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """A program of gryphon's that cannot see answers arrive, or not here."""
    for one in facts.interfaces:
        if one.tc and one.xdp != "gryphon_xdp":
            yield missing(
                f"gryphon's program is at tc egress of {one.name}, which sees what leaves; answers arrive here",
                f"stop that gryphon-intercept and start gryphon-intercept --xdp {one.name}",
            )
        elif one.xdp and one.xdp != "gryphon_xdp" and (not asked.interfaces or one.name in asked.interfaces):
            yield missing(
                f"{one.name} has the XDP program {one.xdp}, which is not gryphon's",
                f"ip link set dev {one.name} xdp off",
            )
    yield from _interface(facts, asked)


def _interface(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Whether answers come in where they are watched: by the interface that leads to the server."""
    names = {one.name for one in facts.interfaces if one.xdp == "gryphon_xdp"}
    names |= {name for hook, name in asked.local if hook == "xdp"} | set(asked.interfaces)
    if not names:
        return
    for service in asked.services:
        path = facts.servers.get(service)
        if path is None or path.error or path.local:
            continue
        yield _same(path, names, asked)


def _same(path: Path, names: set[str], asked: Asked) -> Finding:
    """One server."""
    if path.device in names:
        return supported(f"{path.device} is watched, and leads to {path.address}")
    shown = " and ".join(sorted(names))
    mend = f"-s xdp:{path.device}" if asked.local else f"gryphon-intercept --xdp {path.device}"
    return unknown(
        f"{shown} is watched, but {path.address} is reached by {path.device}: answers that come in there nobody sees",
        mend,
    )


ASSISTANT_POINTS = (
    Point("forged range", "assistant", overlap),
    Point("hook", "assistant", hook),
    Point("ip_forward", "assistant", forwarding),
    Point("rp_filter", "assistant", rp_filter),
    Point("GRO and LRO", "assistant", offloads),
    Point("VLAN offload", "assistant", vlan),
)
