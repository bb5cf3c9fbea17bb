"""What the replaying side sees of an interception, whether it runs in this process or on another host."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple, Protocol

from gryphon.controller.ended import Ended
from gryphon.controller.quota import Quota
from gryphon.controller.record import Records

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Service = tuple[IPAddress, int]
"""Address and TCP port of a server under test."""


class RecordSource(Protocol):
    """Something that records can be read from without blocking, and waited for in the kernel."""

    def read(self) -> Records:
        """Everything that is there (bounded), in order of capture; an empty array when there is nothing.

        Its dtype is ``samples.sampled(n)``: records of the source's own sample.
        """
        ...

    def fileno(self) -> int:
        """The descriptor that becomes readable after ``arm()``."""
        ...

    def arm(self) -> bool:
        """Ask to be woken at the next record; False: records are there already, do not wait."""
        ...

    def disarm(self) -> None:
        """No wake-ups wanted: the caller polls."""
        ...


@dataclass(frozen=True)
class Grant:
    """What an intercept promised to one sender.

    Attributes:
        generation: stands in each of the sender's records.
        services: the intercept's index of each service asked for, in the order asked.
        lease_s: seconds without a heartbeat after which the sender counts as lost.
        linger_s: seconds that answers go on being dropped after the end.
        intercept: where the answers are dropped, for people: "xdp on eth0 (native)".
        sample: bytes of payload that follow each record.
        quota: what the intercept's operator allows.
    """

    generation: int
    services: list[int]
    lease_s: float
    linger_s: float
    intercept: str = ""
    sample: int = 0
    quota: Quota = field(default_factory=Quota)


class Clock(NamedTuple):
    """The intercept's CLOCK_MONOTONIC minus ours, and how far off that may be; nanoseconds."""

    offset_ns: int
    uncertainty_ns: int


class Counts(NamedTuple):
    """Packets of the interception, as its program counted them (all senders together)."""

    matched: int = 0
    recorded: int = 0
    ring_full: int = 0
    passed: int = 0
    malformed: int = 0


@dataclass(frozen=True)
class Status:
    """How the interception and the way from it do, as of the last heartbeat.

    Attributes:
        counters: packets of the interception.
        channel_dropped: records lost because this sender read too slowly.
        cpu_s: CPU seconds of the intercept's process, 0 when it is this one.
        delay_p99_us: from the capture of a record to ``read()`` having it, 99th percentile.
        packets_s: packets per second that the grant allows now; None: any.
    """

    counters: Counts = field(default_factory=Counts)
    channel_dropped: int = 0
    cpu_s: float = 0.0
    delay_p99_us: float = 0.0
    packets_s: float | None = None

    @property
    def lost(self) -> int:
        """Records that did not reach this sender."""
        return self.counters.ring_full + self.channel_dropped


class Intercept(RecordSource, Protocol):
    """A record source with a grant behind it: ``Channel`` (remote) or ``LocalIntercept`` (this process)."""

    grant: Grant

    def keep(self) -> None:
        """Keep the grant alive while nobody reads: what has come in stays for the next ``read``; GrantLost."""
        ...

    def clock(self) -> Clock:
        """How the times in the records were brought to this host's clock."""
        ...

    def status(self) -> Status:
        """Counters of the interception and of the way from it."""
        ...

    def close(self, clean: bool = True, how: Ended = Ended.OVER) -> str | None:
        """End the grant; ``clean``: every connection was closed. Returns what stays behind, as a sentence."""
        ...
