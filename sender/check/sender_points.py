"""Points of the host that sends packets with forged addresses."""

from __future__ import annotations

from collections.abc import Iterator

from gryphon.controller.policy import show_service
from gryphon.sender.check.conntrack import conntrack
from gryphon.sender.check.facts import Asked, Facts
from gryphon.sender.check.point import Finding, Point, missing, supported, unknown
from gryphon.sender.check.range_points import overlap

_CLOUDS = {
    "Amazon": "aws ec2 modify-instance-attribute --instance-id ID --no-source-dest-check",
    "Google": "gcloud compute instances create ... --can-ip-forward (only when it is made)",
    "Microsoft": "az network nic update --ip-forwarding true --name NIC --resource-group GROUP",
    "Alibaba": "not to be switched off there: use hosts of one VPC with a route of the range, or hardware",
    "Tencent": "not to be switched off there: use hosts of one VPC with a route of the range, or hardware",
    "OpenStack": "openstack port set --disable-port-security PORT",
    "DigitalOcean": "not to be switched off there: use other hosts",
    "Hetzner": "not to be switched off there: use other hosts",
    "VMware": "in the port group's security policy: forged transmits: accept",
}
"""What the firmware calls the maker of the machine, and how its network is made to take forged sources."""


def raw(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """What every sender needs."""
    if facts.raw:
        yield supported("CAP_NET_RAW")
    else:
        yield missing(
            "this process lacks CAP_NET_RAW, and cannot send packets with forged addresses", "sudo gryphon ..."
        )


def route(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """How each server is reached."""
    if not asked.services:
        yield unknown("no server was named", "gryphon check --role sender -x PORT-SERVER:PORT")
    for service in asked.services:
        path, shown = facts.servers.get(service), show_service(service)
        if path is None:
            yield unknown(f"{shown}: the routes cannot be read")
        elif path.error:
            yield missing(f"there is no route to {shown} ({path.error})", f"ip route add {service[0]} via GATEWAY")
        elif path.local:
            yield supported(f"{shown} is this host itself: packets go through loopback")
        elif path.neighbour == "silent":
            next_hop = path.gateway or path.address
            yield missing(
                f"{shown} is reached by {path.device}, and {next_hop} there does not say its hardware address",
                f"is it up? else ip neighbour replace {next_hop} lladdr ADDRESS dev {path.device}",
            )
        else:
            yield supported(f"{shown} is reached by {path.device}" + (f" via {path.gateway}" if path.gateway else ""))


def tracked(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Raw packets pass netfilter, frames do not."""
    if asked.past_netfilter:
        yield supported("frames pass netfilter by")
    else:
        yield from conntrack(facts, asked)


def source_validation(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Whether the network takes packets from addresses that are not this host's; only a packet can show it."""
    flies = asked.services and asked.networks and (asked.intercepts or asked.local)
    canary = "the canary is one" if flies else "gryphon check -x ... -s ... -c ... sends one"
    if facts.vendor is None:
        yield unknown("whether the network drops forged sources, only a packet shows", canary)
        return
    cloud = next((name for name in _CLOUDS if name.lower() in facts.vendor.lower()), None)
    if cloud is None:
        yield unknown(
            f"whether the network drops forged sources, only a packet shows (machine: {facts.vendor})", canary
        )
    else:
        yield unknown(f"{cloud}'s network drops forged sources unless told otherwise; {canary}", _CLOUDS[cloud])


SENDER_POINTS = (
    Point("CAP_NET_RAW", "sender", raw),
    Point("forged range", "sender", overlap),
    Point("route to the server", "sender", route),
    Point("conntrack", "sender", tracked),
    Point("source validation", "sender", source_validation),
)
