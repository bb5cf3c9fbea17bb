"""What listens on this host (sock_diag(7)), and the processes that hold those sockets."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple

from gryphon.controller.source import IPAddress, Service
from gryphon.sender.check.facts import Listener, Process

_LISTEN = 1 << 10  # TCP_LISTEN, include/net/tcp_states.h
_PROC = Path("/proc")
_FILES = re.compile(r"^Max open files\s+(\d+|unlimited)", re.MULTILINE)


class Socket(NamedTuple):
    """One listening socket."""

    address: IPAddress
    port: int
    backlog: int  # sk_max_ack_backlog
    waiting: int  # sk_ack_backlog
    inode: int


def listening() -> list[Socket]:
    """All listening TCP sockets of this network namespace; empty where the kernel has no inet_diag."""
    from pyroute2 import DiagSocket

    found: list[Socket] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(Exception), DiagSocket() as diag:  # pyroute2 has errors of its own
            diag.bind()
            found += [_socket(message) for message in diag.get_sock_stats(family=family, states=_LISTEN)]
    return found


def _socket(message: Any) -> Socket:
    """One message; for a listening socket the queues are those of connections (inet_diag.c, inet_diag_fill)."""
    return Socket(
        ip_address(message["idiag_src"]),
        int(message["idiag_sport"]),
        int(message["idiag_wqueue"]),
        int(message["idiag_rqueue"]),
        int(message["idiag_inode"]),
    )


def listeners(
    services: Iterable[Service], sockets: Collection[Socket], proc: Path = _PROC
) -> dict[Service, Listener | None]:
    """What listens at each service; None: nothing."""
    return {service: _listener([one for one in sockets if _serves(one, service)], proc) for service in services}


def _serves(one: Socket, service: Service) -> bool:
    """Whether connections to a service come to a socket: an IPv6 one at any address takes IPv4, too."""
    address, port = service
    if one.port != port:
        return False
    any_address = int(one.address) == 0 and (
        one.address.version == address.version or isinstance(one.address, IPv6Address)
    )
    return any_address or one.address == address


def _listener(sockets: list[Socket], proc: Path) -> Listener | None:
    """All sockets of one service together."""
    if not sockets:
        return None
    return Listener(
        len(sockets),
        min(one.backlog for one in sockets),
        max(one.waiting for one in sockets),
        _processes({one.inode for one in sockets}, proc),
    )


def _processes(inodes: Collection[int], proc: Path) -> tuple[Process, ...] | None:
    """Who holds these sockets, without those that only have children do the work (nginx's master)."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    parents: dict[int, int] = {}
    holders: list[Process] = []
    for entry in proc.iterdir():
        if entry.name.isdigit() and _holds(entry, wanted):
            with contextlib.suppress(OSError, ValueError, IndexError):  # it ended meanwhile
                holders.append(_process(entry))
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    masters = set(parents.values())
    return tuple(sorted(one for one in holders if one.number not in masters)) or None


def _holds(entry: Path, wanted: Collection[str]) -> bool:
    """Whether a process has one of the sockets open."""
    try:
        descriptors = os.listdir(entry / "fd")  # noqa: PTH208, a Path for each of thousands takes long
    except OSError:
        return False
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            if os.readlink(f"{entry}/fd/{descriptor}") in wanted:  # noqa: PTH115
                return True
    return False


def _process(entry: Path) -> Process:
    """A process with its limit."""
    found = _FILES.search((entry / "limits").read_text())
    files = int(found[1]) if found and found[1] != "unlimited" else 1 << 30
    return Process(int(entry.name), (entry / "comm").read_text().strip(), files)
