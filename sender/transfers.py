"""Transfers: what ``-x`` says, which recorded port goes to which server under test."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gryphon.controller.errors import InputFault
from gryphon.controller.policy import parse_service
from gryphon.controller.source import Service

_TRANSFER = re.compile(r"^(?:(?P<host>.+):)?(?P<port>\d{1,19})-(?P<target>.+)$")


@dataclass(frozen=True)
class Transfers:
    """Where sessions go.

    Attributes:
        services: the servers under test, each once.
        targets: recorded server port to index into ``services``.
    """

    services: tuple[Service, ...]
    targets: dict[int, int]

    @property
    def version(self) -> int:
        """IP version of the servers."""
        return self.services[0][0].version


def parse_transfers(text: str) -> Transfers:
    """``80-10.16.15.118:80``, ``80-[fd00::118]:80``, several with commas.

    Raises:
        InputFault: another form, a port named twice, or servers of both IP versions.
    """
    services: list[Service] = []
    targets: dict[int, int] = {}
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        found = _TRANSFER.match(part)
        if found is None:
            raise InputFault(f"'{part}' is not a transfer: write RECORDED_PORT-SERVER:PORT, such as 80-10.16.15.118:80")
        if found["host"] is not None:
            raise InputFault(f"'{part}': leave out the recorded server's address, write {found['port']}-SERVER:PORT")
        port = int(found["port"])
        if not 0 < port < 65536:
            raise InputFault(f"'{part}': {port} is not a TCP port (1 to 65535)")
        if port in targets:
            raise InputFault(f"port {port} is transferred twice in -x: a recorded port goes to one server")
        service = parse_service(found["target"])
        if service not in services:
            services.append(service)
        targets[port] = services.index(service)
    if not services:
        raise InputFault("no transfer was given: name one with -x, such as -x 80-10.16.15.118:80")
    if len({address.version for address, _ in services}) > 1:
        raise InputFault("the servers in -x mix IPv4 and IPv6: use one run for each")
    return Transfers(tuple(services), targets)


def parse_ports(text: str) -> dict[int, str | None]:
    """``-x`` of the commands that send nothing: each recorded port, and the ``SERVER:PORT`` behind it, if any.

    Raises:
        InputFault: neither a port nor a transfer.
    """
    ports: dict[int, str | None] = {}
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        if part.isascii() and part.isdigit():
            if len(part) > 19 or not 0 < int(part) < 65536:
                raise InputFault(f"-x {part}: give a TCP port, 1 to 65535")
            ports.setdefault(int(part), None)
        elif "-" in part:
            (port,) = parse_transfers(part).targets
            ports[port] = part.partition("-")[2]
        else:
            raise InputFault(f"-x {part}: give server ports, such as -x 80,443")
    if not ports:
        raise InputFault("-x names no port: give server ports, such as -x 80,443")
    return ports
