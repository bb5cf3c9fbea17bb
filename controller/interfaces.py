"""Network interfaces of this namespace: by name, with what hangs on them."""

from __future__ import annotations

import socket
from typing import Any

from gryphon.bpf import syscall
from gryphon.controller.errors import EnvironmentFault

_WITH_ETHERNET_HEADER = (1, 772)  # ARPHRD_ETHER, ARPHRD_LOOPBACK (include/uapi/linux/if_arp.h)
XDP_MODES = {1: "native", 2: "generic", 3: "offloaded", 4: "multi"}  # include/uapi/linux/if_link.h


def index_of(name: str) -> int:
    """Gives the index of an interface that frames with an Ethernet header pass.

    Raises:
        EnvironmentFault: there is none of that name, or it is of another kind.
    """
    try:
        index = socket.if_nametoindex(name)
    except OSError:
        there = ", ".join(sorted(found for _, found in socket.if_nameindex()))
        raise EnvironmentFault(f"There is no interface {name} here; there are: {there}.") from None
    kind = link(index).get("ifi_type")
    if kind not in _WITH_ETHERNET_HEADER:
        raise EnvironmentFault(
            f"{name} passes no Ethernet frames (link type {kind}): choose the Ethernet interface below it."
        )
    return index


def is_there(name: str, index: int) -> bool:
    """Says whether the interface of that name is still the one with that index."""
    try:
        return socket.if_nametoindex(name) == index
    except OSError:
        return False


def link(index: int) -> Any:
    """Asks the kernel about an interface."""
    from pyroute2 import IPRoute  # a fifth of a second, which --help does not need.

    with IPRoute() as route:
        return route.get_links(index)[0]


def xdp_program(index: int) -> tuple[int, str]:
    """Tells the number and mode of the interface's XDP program; number 0 when it has none."""
    xdp = link(index).get_attr("IFLA_XDP")
    if xdp is None:
        return 0, ""
    attributes = dict(xdp["attrs"])
    number = attributes.get("IFLA_XDP_PROG_ID") or 0
    return int(number), _mode(attributes)


def _mode(attributes: dict[str, Any]) -> str:
    """pyroute2 gives the mode as a name or as a number, depending on its version."""
    attached = attributes.get("IFLA_XDP_ATTACHED")
    if "IFLA_XDP_SKB_PROG_ID" in attributes or attached in (2, "xdpgeneric"):
        return "generic"
    return XDP_MODES.get(attached, "native") if isinstance(attached, int) else "native"


def foreign(index: int, interface: str, number: int) -> EnvironmentFault:
    """Says whose XDP program stands in our way."""
    name = syscall.program_name(number)
    called = f"{name} (number {number})" if name else f"number {number}"
    return EnvironmentFault(
        f"{interface} already has the XDP program {called}, which is not ours: detach it "
        f"(`ip link set dev {interface} xdp off`) or choose another interface."
    )
