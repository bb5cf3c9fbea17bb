"""Sockets are opened or the fault says what is missing; socket names are what the kernel's struct sockaddr is."""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.transmit.interface import Target
from gryphon.sender.transmit.sockets import open_raw, socket_name


def refuse(number: int) -> Any:
    """A stand-in for ``socket.socket`` that the kernel refuses."""

    def opened(*_: Any) -> socket.socket:
        raise OSError(number, "refused")

    return opened


def test_a_missing_capability_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", refuse(errno.EPERM))
    with pytest.raises(EnvironmentFault, match="CAP_NET_RAW"):
        open_raw(4)


def test_a_host_without_ipv6_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", refuse(errno.EAFNOSUPPORT))
    with pytest.raises(EnvironmentFault, match="IPv6"):
        open_raw(6)


def test_an_ipv4_name_is_a_sockaddr_in_without_port() -> None:
    name = socket_name(Target(IPv4Address("10.16.15.118"), 80, 0))
    assert struct.unpack("=HH4s8x", name) == (socket.AF_INET, 0, bytes([10, 16, 15, 118]))


def test_an_ipv6_name_is_a_sockaddr_in6_with_its_scope() -> None:
    name = socket_name(Target(IPv6Address("fe80::1%lo"), 80, 0))
    family, port, flow, address, scope = struct.unpack("=HHI16sI", name)
    assert (family, port, flow, scope) == (socket.AF_INET6, 0, 0, socket.if_nametoindex("lo"))
    assert address == IPv6Address("fe80::1").packed


def test_a_scope_that_the_host_lacks_is_a_fault() -> None:
    with pytest.raises(EnvironmentFault, match="interface"):
        socket_name(Target(IPv6Address("fe80::1%nowhere0"), 80, 0))
