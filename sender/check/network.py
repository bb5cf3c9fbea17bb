"""Facts that netlink tells: interfaces, where addresses are reached, real hosts within forged ranges."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_interface
from pathlib import Path as File
from typing import Any, Literal

from gryphon.controller.forged import overlap
from gryphon.controller.source import IPAddress, IPNetwork
from gryphon.sender.check.facts import Interface, Path, Stranger
from gryphon.sender.transmit.netlink import ETHERNET, FAILED, LOCAL, UP, Tables

_LOOPBACK = 8  # IFF_LOOPBACK
_INCOMPLETE = 1  # NUD_INCOMPLETE
_HEARD = 0x02 | 0x04 | 0x08 | 0x10  # NUD_REACHABLE, STALE, DELAY, PROBE; PERMANENT somebody has entered
MOST_ASKED = 256
"""Addresses of a range on the link that are asked for at most."""
FEW = 8
"""Of a range on the link so many addresses are asked for before a run: not as many as a switch takes for an attack and
closes the port for (dynamic ARP inspection: 15 requests a second)."""
_PATIENCE_S = 1.0


def interfaces(netlink: Any) -> list[Interface]:
    """All but loopback, without what takes long to ask (programs, offloads)."""
    addresses: dict[int, list[Any]] = {}
    for message in netlink.get_addr():
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        addresses.setdefault(message["index"], []).append(ip_interface(f"{text}/{message['prefixlen']}"))
    return [
        Interface(
            message.get_attr("IFLA_IFNAME"),
            message["index"],
            bool(message["flags"] & UP),
            message["ifi_type"] == ETHERNET,
            tuple(addresses.get(message["index"], ())),
        )
        for message in netlink.get_links()
        if not message["flags"] & _LOOPBACK
    ]


def offloads(names: Iterable[str]) -> dict[str, Mapping[str, bool]]:
    """Each interface's offloads by the kernel's names (ethtool(8) -k); without those that cannot be asked."""
    from pyroute2 import Ethtool

    found: dict[str, Mapping[str, bool]] = {}
    with contextlib.suppress(Exception), contextlib.closing(Ethtool()) as ethtool:  # pyroute2's own errors
        for name in names:
            with contextlib.suppress(Exception):
                features = ethtool.get_features(name).features
                found[name] = {key: bool(feature.enable) for key, feature in features.items()}
    return found


def driver(name: str) -> str:
    """The driver of an interface's device; empty for those that the kernel makes up."""
    try:
        return File(f"/sys/class/net/{name}/device/driver").resolve(strict=True).name
    except OSError:
        return ""


def path_to(tables: Tables, address: IPAddress, names: Mapping[int, str]) -> Path:
    """How this host reaches an address."""
    try:
        route = tables.route(address)
    except OSError as error:
        return Path(address, error=os.strerror(error.errno or 0))
    if route.kind == LOCAL:
        return Path(address, local=True, device=names.get(route.out, "lo"))
    neighbour = tables.neighbour(route.out, route.gateway or address)
    state: Literal["known", "silent", "unasked"] = "unasked"
    if neighbour.known:
        state = "known"
    elif neighbour.state & (FAILED | _INCOMPLETE):
        state = "silent"
    return Path(address, device=names.get(route.out, f"interface {route.out}"), gateway=route.gateway, neighbour=state)


def strangers(netlink: Any, networks: Sequence[IPNetwork], names: Mapping[int, str]) -> list[Stranger]:
    """Real hosts in the ranges, as far as this host has heard of them."""
    found = []
    for message in netlink.get_neighbours():
        text, hardware = message.get_attr("NDA_DST"), message.get_attr("NDA_LLADDR")
        if not text or not hardware or not message["state"] & _HEARD:
            continue
        address = ip_address(text)
        if message["ifindex"] in names and any(address in network for network in networks):
            found.append(Stranger(address, names[message["ifindex"]], hardware))
    return found


def ask_for_strangers(netlink: Any, tables: Tables, networks: Sequence[IPNetwork], there: Sequence[Interface]) -> None:
    """Have the kernel ask the link for the addresses of ranges that lie on it (ARP): real hosts answer within a second.

    Small IPv4 ranges only, and not without CAP_NET_ADMIN.
    """
    _ask(netlink, tables, on_link([one for one in networks if one.version == 4], there, MOST_ASKED), networks, there)


def ask_for_few(netlink: Any, tables: Tables, networks: Sequence[IPNetwork], there: Sequence[Interface]) -> None:
    """The same before a run, of either IP version, where so few addresses lie on the link that all can be asked for."""
    few = on_link(networks, there, FEW + 1)
    if len(few) <= FEW:
        _ask(netlink, tables, few, networks, there)


def on_link(networks: Sequence[IPNetwork], there: Sequence[Interface], most: int) -> list[tuple[int, IPAddress]]:
    """Addresses of ranges on links of this host, with the interface's index; at most so many of each range there."""
    return [
        (one.index, type(own.ip)(number))
        for network in networks
        for one in there
        if one.up and one.ethernet
        for own in one.addresses
        if overlap(network, own.network)
        for number in _common(network, own.network, most)
        if number != int(own.ip)
    ]


def _ask(
    netlink: Any,
    tables: Tables,
    addresses: Sequence[tuple[int, IPAddress]],
    networks: Sequence[IPNetwork],
    there: Sequence[Interface],
) -> None:
    """Until one has answered, or the time is over. Who is known is not asked: an entry made by hand would be lost."""
    names = {one.index: one.name for one in there}
    try:
        asked = [each for each in addresses if not tables.neighbour(*each).known]
        for index, address in asked:
            tables.use(index, address)
    except OSError:
        return
    until = time.monotonic() + _PATIENCE_S
    while asked and time.monotonic() < until and not strangers(netlink, networks, names):
        time.sleep(0.05)


def _common(one: IPNetwork, other: IPNetwork, most: int) -> range:
    """The addresses of both that a host may have, at most so many, as numbers."""
    first = max(int(one[0]), int(other[0]) + 1)
    end = min(int(one[-1]) + 1, int(other[-1]) + (other.version == 6))
    return range(first, min(end, first + most))
