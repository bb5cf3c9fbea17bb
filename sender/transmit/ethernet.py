"""What stands in front of an IP header on an Ethernet link."""

from __future__ import annotations

from collections.abc import Sequence

from gryphon.sender.transmit.interface import Target

IPV4, IPV6 = 0x0800, 0x86DD  # include/uapi/linux/if_ether.h


def ether_type(target: Target) -> int:
    """The EtherType of packets to a target."""
    return IPV4 if target.address.version == 4 else IPV6


def ethernet_header(target: Target, source: bytes, next_hop: bytes, tags: Sequence[tuple[int, int]] = ()) -> bytes:
    """The header of frames to a target (IEEE 802.3, 3.1.1), 14 bytes, and 4 for each VLAN tag (802.1Q, 9.3)."""
    between = b"".join(kind.to_bytes(2, "big") + tag.to_bytes(2, "big") for kind, tag in tags)
    return next_hop + source + between + ether_type(target).to_bytes(2, "big")
