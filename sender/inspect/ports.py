"""``-x`` of inspect: server ports, plain or as ``gryphon send`` writes them, with the server under test behind."""

from __future__ import annotations

from collections.abc import Mapping

from gryphon.controller.errors import InputFault
from gryphon.sender.transfers import parse_transfers


def parse_ports(text: str) -> dict[int, str | None]:
    """Each port, and ``SERVER:PORT`` where it was given.

    Raises:
        InputFault: neither a port nor a transfer.
    """
    ports: dict[int, str | None] = {}
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        if part.isascii() and part.isdigit():
            if not 0 < int(part) < 65536:
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


def check_ports(wanted: Mapping[int, str | None], known: Mapping[int, int], files: list[str]) -> None:
    """InputFault where nothing goes to any of the wanted ports; ``known`` has the connections to each."""
    if wanted.keys() & known.keys():
        return
    busiest = sorted(known, key=lambda port: (-known[port], port))
    names = ", ".join(str(port) for port in busiest[:10]) + (", ..." if len(busiest) > 10 else "")
    ports = " or ".join(str(port) for port in wanted)
    plural = "port" if len(busiest) == 1 else "ports"
    raise InputFault(f"no session to port {ports} in {', '.join(files)}; it has sessions to {plural} {names}")
