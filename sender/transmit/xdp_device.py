"""Whether a device sends frames from XDP, and a passing program on it where its driver wants one for that."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.interfaces import link, xdp_program
from gryphon.sender.transmit.hops import Hop

if TYPE_CHECKING:
    from gryphon.sender.transmit.xdp_program import XdpProgram

log = logging.getLogger("gryphon")

# include/uapi/linux/netdev.h: the family "netdev", Linux 6.3 and later
_DEV_GET = 1
# NETDEV_XDP_ACT_*: the driver runs XDP programs at all; it takes frames that a program redirects to it
_BASIC, _NDO_XMIT = 1, 4

INSTEAD = "choose --transmit link or raw"


def why_not(hops: Sequence[Hop]) -> str | None:
    """Why these devices cannot send frames from XDP, in one sentence; None where they can, or may.

    Most drivers say so only once they have an XDP program, veth at any time.
    """
    for index, name in _devices(hops):
        bits = features(index)
        if bits is None or bits & _NDO_XMIT:
            continue
        if not bits & _BASIC or kind_of(index) == "veth":
            return refusal(name)
    return None


def prepare(program: XdpProgram, hops: Sequence[Hop]) -> None:
    """Have every device ready for frames from XDP, before the first one.

    A device without a program gets a passing one: many drivers set up the queues only then. It is attached after the
    interception, which in the local topology has the device for itself. Raises ``EnvironmentFault``: the driver has
    no way for such frames.
    """
    for index, name in _devices(hops):
        if not xdp_program(index)[0]:
            try:
                program.attach_passing(index)
            except OSError as error:
                log.info("%s takes no XDP program (%s), which its driver may want", name, os.strerror(error.errno or 0))
        bits = features(index)
        if bits is not None and not bits & _NDO_XMIT:
            raise EnvironmentFault(refusal(name))


def refusal(device: str) -> str:
    """What to do about a device that takes no frames from XDP."""
    return (
        f"{device} takes no frames from XDP: its driver has no way for them, or the other end of a veth has neither "
        f"GRO (`ethtool -K {device} gro on` there) nor an XDP program; {INSTEAD}"
    )


def kind_of(index: int) -> str:
    """What kind of virtual device an interface is, such as ``veth``; empty for hardware."""
    information = link(index).get_attr("IFLA_LINKINFO")
    return str(information.get_attr("IFLA_INFO_KIND") or "") if information is not None else ""


def _devices(hops: Sequence[Hop]) -> list[tuple[int, str]]:
    """Index and name of each device, once."""
    return list({hop.lower: hop.device for hop in hops}.items())


def features(index: int) -> int | None:
    """A driver's NETDEV_XDP_ACT_* bits; None where the kernel does not tell them (before Linux 6.3)."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        return _asked(index)
    except (NetlinkError, OSError):
        return None


def _asked(index: int) -> int | None:
    """The same by generic netlink (Documentation/netlink/specs/netdev.yaml)."""
    from pyroute2.netlink import NLM_F_REQUEST, genlmsg
    from pyroute2.netlink.generic import GenericNetlinkSocket

    class Device(genlmsg):  # type: ignore[misc]
        """NETDEV_A_DEV_*."""

        nla_map = (
            ("NETDEV_A_DEV_UNSPEC", "none"),
            ("NETDEV_A_DEV_IFINDEX", "uint32"),
            ("NETDEV_A_DEV_PAD", "hex"),
            ("NETDEV_A_DEV_XDP_FEATURES", "uint64"),
        )

    with GenericNetlinkSocket() as netlink:
        netlink.bind("netdev", Device)
        question: Any = Device()
        question["cmd"], question["version"] = _DEV_GET, 1
        question["attrs"] = [("NETDEV_A_DEV_IFINDEX", index)]
        for answer in netlink.nlm_request(question, msg_type=netlink.prid, msg_flags=NLM_F_REQUEST):
            found: int | None = answer.get_attr("NETDEV_A_DEV_XDP_FEATURES")
            return found
    return None
