"""Addresses to listen at, as options have them, and sockets bound there."""

from __future__ import annotations

import socket
from contextlib import suppress

from gryphon.controller.errors import EnvironmentFault, InputFault


def parse_listen(option: str, text: str, default_port: int | None = None) -> tuple[str | None, int]:
    """ADDR:PORT, [V6]:PORT, :PORT and, with a default port, ADDR or nothing: address (None: all) and port.

    Raises:
        InputFault: no such thing; the sentence names the option.
    """
    from ipaddress import ip_address

    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (text.count(":") > 1 and not text.startswith("[")):
        host, port = text, "" if default_port is None else str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = str(ip_address(host)) if host not in ("", "*") else None
    except ValueError:
        raise InputFault(f"{option} '{text}': '{host}' is not an address of this host") from None
    if not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        wanted = f"'{port}' is not a port" if port else "the port is missing, write ADDR:PORT or :PORT"
        raise InputFault(f"{option} '{text}': {wanted}")
    return address, int(port)


def bind(option: str, host: str | None, port: int) -> socket.socket:
    """A socket bound where others shall connect; None: all addresses, of IPv4 and IPv6 where there is IPv6."""
    try:
        if host is None:
            return _bind_all(port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return _bind(family, host, port)
    except OSError as error:
        where = show(host or "*", port)
        raise EnvironmentFault(
            f"cannot listen at {where} ({error.strerror}): {option} names another address or port"
        ) from error


def show(host: str, port: int) -> str:
    """Both for people."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind_all(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with suppress(OSError):
            return _bind(socket.AF_INET6, "::", port, dual=True)
    return _bind(socket.AF_INET, "0.0.0.0", port)


def _bind(family: socket.AddressFamily, host: str, port: int, dual: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
