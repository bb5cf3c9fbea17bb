"""What a benchmark asks of a tool, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORGED = tuple(f"10.17.{net}" for net in (1, 2, 3, 4))
"""The /24 networks that the users come from, the same for every tool."""


@dataclass(frozen=True)
class Load:
    """So many users, each replaying one session of the capture.

    Attributes:
        rate: new sessions a second.
        requests: in each session.
        patience: seconds after which a run is ended.
    """

    users: int
    rate: int
    requests: int
    capture: Path
    patience: float


@dataclass
class Outcome:
    """One run of one tool; times in seconds, CPU times of user and system together.

    Attributes:
        users: how many were asked for.
        completed: sessions of which the server served every request.
        sessions_per_second: those over the time from the first request to the last, as the server saw them.
        client_packets: sent by the tool, retransmissions included.
        server_cpu: all nginx processes. On veth the interception of what a server sends runs in its time, too.
        peak: most bytes the sender had resident.
        requests, connections: the server's own counts.
        busy: mean number of cores that anybody else was using meanwhile: with much of it the run says little.
        note: what the tool itself says beyond that.
    """

    users: int
    completed: int
    sessions_per_second: float
    client_packets: int
    sender_cpu: float
    intercept_cpu: float
    server_cpu: float
    peak: int
    requests: int
    connections: int
    busy: float
    note: str = ""

    @property
    def failed(self) -> int:
        return self.users - self.completed

    @property
    def cpu(self) -> float:
        """Sender and intercept."""
        return self.sender_cpu + self.intercept_cpu

    @property
    def microseconds(self) -> float:
        """CPU of sender and intercept for one client packet, start of the programs included."""
        return self.cpu / self.client_packets * 1e6 if self.client_packets else 0.0

    @property
    def per_session(self) -> float:
        """The same for each completed session: a tool may need fewer packets for it than another."""
        return self.cpu / self.completed * 1e6 if self.completed else 0.0

    def beyond(self, small: Outcome) -> float:
        """The same for each packet more than a small run's: without what the start of the programs costs."""
        packets = self.client_packets - small.client_packets
        return (self.cpu - small.cpu) / packets * 1e6 if packets > 0 else 0.0

    def bytes_per_user(self, small: Outcome) -> float:
        """Memory of the sender for each user more than a small run had."""
        users = self.users - small.users
        return (self.peak - small.peak) / users if users > 0 else 0.0

    def line(self) -> str:
        """The run in one line."""
        return (
            f"{self.completed:,} of {self.users:,} completed, {self.sessions_per_second:,.0f} sessions/s, "
            f"{self.microseconds:.2f} us a client packet{'; ' + self.note if self.note else ''}"
        )

    def as_dict(self) -> dict[str, Any]:
        derived = {
            "failed": self.failed,
            "cpu_us_per_packet": self.microseconds,
            "cpu_us_per_session": self.per_session,
        }
        return asdict(self) | derived
