"""A device for nothing but to have the transmitter's program attached: without that every run waits for all CPUs."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gryphon.bpf import syscall
from gryphon.controller.errors import EnvironmentFault

_TUN = "/dev/net/tun"
# include/uapi/linux/if_tun.h, if_link.h
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_NATIVE = 4


@contextmanager
def anchor(program: int) -> Iterator[None]:
    """Have the program attached to a device that stays down and goes at the end. Raises ``EnvironmentFault``."""
    with ExitStack() as undo:
        try:
            name = undo.enter_context(_tap())
        except OSError:
            name = undo.enter_context(_veth())
        try:
            link = syscall.xdp_link(program, socket.if_nametoindex(name), _NATIVE)
        except OSError as error:
            raise EnvironmentFault(
                f"the program that sends cannot be attached ({error.strerror}): choose --transmit link or raw"
            ) from error
        undo.callback(os.close, link)
        yield


@contextmanager
def _tap() -> Iterator[str]:
    """A tap device: it goes with its descriptor, also when the process is killed."""
    descriptor = os.open(_TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", b"gryphon%d", _IFF_TAP | _IFF_NO_PI)
        yield fcntl.ioctl(descriptor, _TUNSETIFF, request)[:16].rstrip(b"\0").decode()
    finally:
        os.close(descriptor)


@contextmanager
def _veth() -> Iterator[str]:
    """A pair of veth where there is no tun; a killed process leaves it behind."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    name = f"gryphon{os.getpid()}"
    with IPRoute() as route:
        try:
            route.link("add", ifname=name, kind="veth", peer={"ifname": f"{name}b"})
        except NetlinkError as error:
            raise EnvironmentFault(
                f"the program that sends needs a device to be attached to, and this host has neither {_TUN} nor veth "
                f"({error}): choose --transmit link or raw"
            ) from error
        try:
            yield name
        finally:
            route.link("del", ifname=name)
