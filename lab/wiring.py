"""Who is joined to whom in the lab, under which names and addresses, and the commands that make it so.

    sender    eth0 10.16.15.117 ---- eth0 10.16.15.118 server
    assistant eth0 10.16.16.119 ---- eth1 10.16.16.118 server
    sender    eth1 10.16.17.117 ---- eth1 10.16.17.119 assistant

and fd00:16:15::117 and so on beside them. The forged clients live in 10.17.0.0/16 and fd00:17::/64. No host
has a route to anywhere else.
"""

from __future__ import annotations

import itertools
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, NamedTuple

HostName = Literal["sender", "server", "assistant"]
HOSTS: tuple[HostName, ...] = ("sender", "server", "assistant")
FORGED_V4 = IPv4Network("10.17.0.0/16")
FORGED_V6 = IPv6Network("fd00:17::/64")

_OCTET = {"sender": 117, "server": 118, "assistant": 119}


class End(NamedTuple):
    """One end of a link: an interface of a host. Its addresses carry no prefix length (/24 and /64)."""

    host: HostName
    interface: str
    net: int

    @property
    def v4(self) -> str:
        return f"10.16.{self.net}.{_OCTET[self.host]}"

    @property
    def v6(self) -> str:
        return f"fd00:16:{self.net}::{_OCTET[self.host]}"

    @property
    def mac(self) -> str:
        return f"02:00:10:16:{self.net}:{_OCTET[self.host] - 100}"


LINKS: tuple[tuple[End, End], ...] = (
    (End("sender", "eth0", 15), End("server", "eth0", 15)),
    (End("assistant", "eth0", 16), End("server", "eth1", 16)),
    (End("sender", "eth1", 17), End("assistant", "eth1", 17)),
)
ENDS: tuple[End, ...] = tuple(itertools.chain.from_iterable(LINKS))
SERVER_V4, SERVER_V6 = LINKS[0][1].v4, LINKS[0][1].v6

# No address, router or neighbour of the kernel's own making, no forwarding, no filtering by source, and room
# for as many half-open connections as a load makes. Metrics are not saved: each of up to 65,534 forged
# addresses would leave an entry, and a run would begin with what the one before it taught.
SYSCTLS = (
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.accept_ra=0",
    "net.ipv6.conf.default.autoconf=0",
    "net.ipv6.conf.default.addr_gen_mode=1",
    "net.ipv6.conf.all.forwarding=0",
    "net.ipv4.ip_forward=0",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.tcp_syncookies=0",
    "net.ipv4.tcp_max_syn_backlog=1000000",
    "net.ipv4.tcp_no_metrics_save=1",
    "net.core.somaxconn=1000000",
)


def host_batch(host: HostName) -> str:
    """The `ip -batch` lines that bring up a host's interfaces, each with its one neighbour."""
    lines = ["link set lo up"]
    for one, other in LINKS:
        for own, peer in ((one, other), (other, one)):
            if own.host == host:
                lines += _interface(own, peer)
    return "\n".join(lines) + "\n"


def _interface(own: End, peer: End) -> list[str]:
    device = f"dev {own.interface}"
    return [
        f"link set {device} up",
        f"address add {own.v4}/24 {device}",
        f"address add {own.v6}/64 {device} nodad",
        f"neighbour replace {peer.v4} lladdr {peer.mac} {device} nud permanent",
        f"neighbour replace {peer.v6} lladdr {peer.mac} {device} nud permanent",
    ]


def forged_batch(via: Literal["sender", "assistant"]) -> str:
    """The lines that lead the server's answers to all forged addresses to one host.

    They go to a next hop whose neighbour entry is there already: nobody ever asks for a forged address.
    """
    hop, own = LINKS[0] if via == "sender" else LINKS[1]
    return (
        f"route replace {FORGED_V4} via {hop.v4} dev {own.interface}\n"
        f"route replace {FORGED_V6} via {hop.v6} dev {own.interface}\n"
    )
