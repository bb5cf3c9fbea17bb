"""Everything that inspect says of capture files, before it is printed or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gryphon.sender.capture.recording import Recording, Rules
from gryphon.sender.inspect.losses import Losses, losses
from gryphon.sender.inspect.services import Service, services
from gryphon.sender.inspect.suggest import suggest


@dataclass(frozen=True)
class Overview:
    """The whole capture, its services (only those with chosen ports), and how to replay it."""

    files: list[str]
    packets: int
    recorded: int
    replayable: int
    rejected: dict[str, int]
    start_ns: int  # first TCP packet, since the epoch
    end_ns: int
    services: list[Service]
    lost: Losses  # of these services
    send: str | None


def overview(recording: Recording, ports: Mapping[int, str | None] | None, rules: Rules) -> Overview:
    """Sum a recording of all ports up; ``ports`` bounds the services, not the counts of the whole."""
    rows = recording.connections
    shown = [service for service in services(recording) if ports is None or service.port in ports]
    chosen = rows if ports is None else rows[np.isin(rows["server_port"], sorted(ports))]
    return Overview(
        files=recording.files,
        packets=recording.packets,
        recorded=recording.recorded,
        replayable=len(recording.sessions),
        rejected=recording.rejected,
        start_ns=int(rows["start_ns"].min()),
        end_ns=int(rows["end_ns"].max()),
        services=shown,
        lost=losses(chosen),
        send=suggest(shown, recording.files, ports, rules),
    )
