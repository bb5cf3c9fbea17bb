"""The kernel's own tables of routes, links and neighbours, as one network namespace has them (rtnetlink(7))."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

IPAddress = IPv4Address | IPv6Address

ETHERNET = 1  # ARPHRD_ETHER, include/uapi/linux/if_arp.h
UP = 1  # IFF_UP, include/uapi/linux/if.h
UNICAST, LOCAL = 1, 2  # RTN_UNICAST, RTN_LOCAL, include/uapi/linux/rtnetlink.h

# include/uapi/linux/neighbour.h
FAILED = 0x20  # NUD_FAILED
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80  # REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT
_FIXED = 0x40 | 0x80  # NOARP, PERMANENT
_NTF_USE = 1

_VLAN = 0x8100  # 802.1Q, what a VLAN interface without a protocol has


class Route(NamedTuple):
    """What ``ip route get`` says of one address."""

    kind: int  # rtm_type: UNICAST, LOCAL, ...
    out: int  # index of the interface that it leads out of
    gateway: IPAddress | None
    mtu: int  # a limit of the route itself, 0 without


class Link(NamedTuple):
    """One interface."""

    name: str
    number: int  # interface index
    type: int  # ARPHRD_*
    flags: int  # IFF_*
    address: bytes
    mtu: int
    below: int  # index of the interface below a VLAN interface of this namespace, otherwise 0
    tag: tuple[int, int]  # TPID and TCI that a VLAN interface adds


class Neighbour(NamedTuple):
    """One entry of the neighbour table (ARP, NDP)."""

    state: int  # NUD_*, 0 where there is no entry
    address: bytes  # as last heard of; empty if never

    @property
    def known(self) -> bool:
        """Whether the kernel itself would send to this address now."""
        return bool(self.state & _KNOWN) and len(self.address) == 6

    @property
    def fixed(self) -> bool:
        """Entered by somebody, for good."""
        return bool(self.state & _FIXED)


class Tables:
    """Asks the kernel; any process may, but for ``use``.

    Args:
        netlink: a pyroute2 ``IPRoute``, or what answers like one; by default one that ``close`` closes.
    """

    def __init__(self, netlink: Any = None) -> None:
        if netlink is None:
            from pyroute2 import IPRoute  # a fifth of a second, which --help does not need

            netlink = IPRoute()
        self._netlink = netlink

    def route(self, address: IPAddress, index: int = 0) -> Route:
        """How this host reaches an address, by an interface where ``index`` is one.

        For IPv4 the kernel itself takes an address without a route by that interface as on the link
        (ip_route_output_key_hash_rcu, net/ipv4/route.c). Raises ``OSError`` where there is no route.
        """
        asked: dict[str, Any] = {"dst": str(address).partition("%")[0]} | ({"oif": index} if index else {})
        message = self._ask("route", asked)
        gateway, metrics = message.get_attr("RTA_GATEWAY"), message.get_attr("RTA_METRICS")
        via = message.get_attr("RTA_VIA")  # an IPv4 route by an IPv6 gateway
        gateway = gateway or (via and via["addr"])
        mtu = metrics.get_attr("RTAX_MTU") if metrics is not None else None
        kind, out = int(message["type"]), int(message.get_attr("RTA_OIF") or 0)
        return Route(kind, out, ip_address(gateway) if gateway else None, mtu or 0)

    def link(self, index: int) -> Link:
        """An interface. Raises ``OSError`` where it is gone."""
        message = self._first(lambda: self._netlink.get_links(index))
        info = message.get_attr("IFLA_LINKINFO")
        vlan = info is not None and info.get_attr("IFLA_INFO_KIND") == "vlan"
        elsewhere = message.get_attr("IFLA_LINK_NETNSID") is not None
        below = message.get_attr("IFLA_LINK") if vlan and not elsewhere else 0
        return Link(
            name=message.get_attr("IFLA_IFNAME"),
            number=message["index"],
            type=message["ifi_type"],
            flags=message["flags"],
            address=_hardware(message.get_attr("IFLA_ADDRESS")),
            mtu=message.get_attr("IFLA_MTU"),
            below=below or 0,
            tag=_tag(info.get_attr("IFLA_INFO_DATA")) if below else (0, 0),
        )

    def neighbour(self, index: int, address: IPAddress) -> Neighbour:
        """What is known of a neighbour, which may be nothing."""
        try:
            message = self._ask("neigh", {"dst": str(address).partition("%")[0], "ifindex": index})
        except OSError as error:
            if error.errno == errno.ENOENT:
                return Neighbour(0, b"")
            raise
        return Neighbour(message["state"], _hardware(message.get_attr("NDA_LLADDR")))

    def use(self, index: int, address: IPAddress) -> None:
        """Have the kernel treat a neighbour as one that is being sent to: ask for it, or make sure of it when stale.

        Sends no more than a packet to it would. Never for a ``fixed`` neighbour: NTF_USE makes an entry that somebody
        set forget that (__neigh_update, net/core/neighbour.c). Raises ``PermissionError`` without CAP_NET_ADMIN.
        """
        entry = {"dst": str(address).partition("%")[0], "ifindex": index, "state": 0, "flags": _NTF_USE}
        self._answers(lambda: self._netlink.neigh("replace", **entry))

    def close(self) -> None:
        """Close the socket; calling it twice does no harm."""
        self._netlink.close()

    def _ask(self, table: str, asked: dict[str, Any]) -> Any:
        """One entry of a table."""
        return self._first(lambda: getattr(self._netlink, table)("get", **asked))

    def _first(self, call: Callable[[], Iterable[Any]]) -> Any:
        """The first message of an answer that has one."""
        answers = self._answers(call)
        if not answers:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return answers[0]

    def _answers(self, call: Callable[[], Iterable[Any]]) -> tuple[Any, ...]:
        """The messages of an answer; ``OSError`` with the kernel's errno for a refusal."""
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            return tuple(call() or ())
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error


def _hardware(text: str | None) -> bytes:
    """``02:00:0a:10:0f:11`` as bytes."""
    return bytes.fromhex(text.replace(":", "")) if text else b""


def _tag(data: Any) -> tuple[int, int]:
    """The tag of a VLAN interface for packets of priority 0, which ours have: TPID and TCI (IEEE 802.1Q, 9.6)."""
    protocol, egress = data.get_attr("IFLA_VLAN_PROTOCOL") or _VLAN, data.get_attr("IFLA_VLAN_EGRESS_QOS")
    mappings = egress.get_attrs("IFLA_VLAN_QOS_MAPPING") if egress is not None else []
    priority = next((mapping["to"] for mapping in mappings if mapping["from"] == 0), 0)
    return protocol, priority << 13 | data.get_attr("IFLA_VLAN_ID")
