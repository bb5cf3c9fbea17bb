"""Opens the sockets that take whole IP packets or frames, and explains when that is not possible."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
import sys
from ipaddress import IPv4Address, IPv6Address

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.transmit.interface import Target

SEND_BUFFER = 32 << 20
"""Bytes of packets that may wait in a queue of the host before ``send`` meets back-pressure."""

# linux/in.h, linux/in6.h, asm-generic/socket.h: not all in Python's socket module.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_IPV6_HDRINCL = 36
_SO_SNDBUFFORCE = 32
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20  # linux/if_packet.h
_SIOCGIFFLAGS, _IFF_RUNNING, _IFREQ = 0x8913, 0x40, 40  # linux/sockios.h, linux/if.h: bytes of struct ifreq
_ORDER = sys.byteorder


def open_raw(version: int) -> socket.socket:
    """A socket that sends packets with our own IP header; ``version`` is 4 or 6.

    Raises ``EnvironmentFault`` when CAP_NET_RAW is missing or the host has no such protocol.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        opened = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        raise _forbidden("raw") from None
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
            raise EnvironmentFault(
                f"this host cannot send IPv{version}: switch it on or choose other targets"
            ) from None
        raise
    # Without RECVERR the kernel hides that a full device queue dropped the packet (raw_send_hdrinc, net/ipv4/raw.c).
    if version == 4:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    _enlarge(opened)
    return opened


def open_packet() -> socket.socket:
    """A socket that sends Ethernet frames, of any device, and receives none.

    Frames go straight to the device (packet(7), PACKET_QDISC_BYPASS), which says so when it drops one. A queueing
    discipline in between takes frames first, and what the device drops then nobody hears of (sch_direct_xmit,
    net/sched/sch_generic.c). Raises ``EnvironmentFault`` when CAP_NET_RAW is missing.
    """
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError:
        raise _forbidden("packet") from None
    opened.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
    _enlarge(opened)
    return opened


def has_carrier(opened: socket.socket, device: str) -> bool:
    """Whether a device is up and has a link, asked over any socket (netdevice(7)); False too where it is gone."""
    try:
        answer = fcntl.ioctl(opened, _SIOCGIFFLAGS, device.encode().ljust(_IFREQ, b"\0"))
    except OSError:
        return False
    return bool(int.from_bytes(answer[16:18], _ORDER) & _IFF_RUNNING)


def _forbidden(kind: str) -> EnvironmentFault:
    """The one capability that every sender needs."""
    return EnvironmentFault(
        f"packets with forged addresses need a {kind} socket, and this process lacks CAP_NET_RAW: "
        "run gryphon with sudo or give it that capability"
    )


def _enlarge(opened: socket.socket) -> None:
    """Make the send buffer large, beyond the system's limit where CAP_NET_ADMIN allows it."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, SEND_BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def socket_name(target: Target) -> bytes:
    """The ``sockaddr`` (in or in6) that routes a packet to the target; the port stays 0, as raw(7) wants."""
    family = socket.AF_INET if isinstance(target.address, IPv4Address) else socket.AF_INET6
    head = int(family).to_bytes(2, _ORDER) + bytes(2)
    if isinstance(target.address, IPv4Address):
        return head + target.address.packed + bytes(8)
    return head + bytes(4) + target.address.packed + _scope(target.address).to_bytes(4, _ORDER)


def _scope(address: IPv6Address) -> int:
    """Interface index of a link-local address's scope (``fe80::1%eth0``), 0 without one."""
    if address.scope_id is None:
        return 0
    try:
        return socket.if_nametoindex(address.scope_id)
    except OSError:
        raise EnvironmentFault(f"the target {address} names an interface that this host lacks") from None


def drain_errors(opened: socket.socket) -> None:
    """Empty the socket's error queue, which would make poll(2) return at once for ever."""
    with contextlib.suppress(BlockingIOError):
        while True:
            opened.recvmsg(0, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
