"""A host's tables of routes, links and neighbours that only exist in a test, as messages that the kernel would send."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

REACHABLE, STALE, FAILED, PERMANENT = 2, 4, 0x20, 0x80


def message(kind: Any, fields: dict[str, Any], *attributes: tuple[str, Any]) -> Any:
    """A message that has been on the wire."""
    made = kind()
    for name, value in fields.items():
        made[name] = value
    made["attrs"] = [list(attribute) for attribute in attributes]
    made.encode()
    read = kind(made.data)
    read.decode()
    return read


def link(index: int, name: str, *attributes: tuple[str, Any], kind: int = 1, up: bool = True, mtu: int = 1500) -> Any:
    """An interface with the address 02:00:00:00:00:<index>."""
    own = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", f"02:00:00:00:00:{index:02x}"), ("IFLA_MTU", mtu)]
    return message(ifinfmsg, {"index": index, "ifi_type": kind, "flags": int(up)}, *own, *attributes)


def vlan(index: int, name: str, below: int, number: int, *data: tuple[str, Any]) -> Any:
    """A VLAN interface."""
    inside = {"attrs": [["IFLA_VLAN_ID", number], *map(list, data)]}
    info = {"attrs": [["IFLA_INFO_KIND", "vlan"], ["IFLA_INFO_DATA", inside]]}
    return link(index, name, ("IFLA_LINK", below), ("IFLA_LINKINFO", info))


def route(out: int, gateway: str | None = None, kind: int = 1, *attributes: tuple[str, Any]) -> Any:
    """A route to one address."""
    via = [] if gateway is None else [("RTA_GATEWAY", gateway)]
    family = 10 if gateway and ":" in gateway else 2
    return message(rtmsg, {"family": family, "type": kind}, ("RTA_OIF", out), *via, *attributes)


class Netlink:
    """Answers as ``IPRoute`` does, out of what a test has put in."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, int], Any] = {}  # by address and interface asked for, 0 for none
        self.links: dict[int, Any] = {}
        self.neighbours: dict[tuple[int, str], tuple[int, str]] = {}  # state and hardware address
        self.used: list[tuple[int, str]] = []
        self.on_use: Callable[[int, str], None] = lambda index, address: None

    def route(self, command: str, dst: str, oif: int = 0) -> list[Any]:
        assert command == "get"
        return [_found(self.routes, (dst, oif), errno.ENETUNREACH)]

    def get_links(self, index: int) -> list[Any]:
        return [_found(self.links, index, errno.ENODEV)]

    def neigh(self, command: str, dst: str, ifindex: int, state: int = 0, flags: int = 0) -> list[Any]:
        if command == "replace":
            assert (state, flags) == (0, 1), "an entry of somebody else's was overwritten"
            self.on_use(ifindex, dst)
            self.used.append((ifindex, dst))
            return []
        state, hardware = _found(self.neighbours, (ifindex, dst), errno.ENOENT)
        attributes = [("NDA_DST", dst)] + ([("NDA_LLADDR", hardware)] if hardware else [])
        family = 10 if ":" in dst else 2
        return [message(ndmsg, {"family": family, "ifindex": ifindex, "state": state}, *attributes)]


def _found(table: dict[Any, Any], key: Any, missing: int) -> Any:
    if key not in table:
        raise NetlinkError(missing)
    return table[key]
