"""The local topology: the interception in the replaying process itself, with the same surface as a channel."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from gryphon.controller.account import Account
from gryphon.controller.delay import DelayHistogram
from gryphon.controller.desk import Intercepting
from gryphon.controller.ended import Ended
from gryphon.controller.errors import GrantLost
from gryphon.controller.intent import Intent
from gryphon.controller.leases import Lease, Leases, others_nearby
from gryphon.controller.leave import Leavable, leave
from gryphon.controller.policy import Policy, own_addresses
from gryphon.controller.record import Records
from gryphon.controller.samples import rounded
from gryphon.controller.source import (
    Clock,
    Counts,
    Grant,
    IPAddress,
    IPNetwork,
    RecordSource,
    Service,
    Status,
)
from gryphon.controller.split import Share
from gryphon.controller.surroundings import Taken

_RENEWAL_NS = 1_000_000_000
_CHECK_NS = 1_000_000_000
"""So often it is looked whether the answers are still dropped."""
_LOOK_NS = 1_000_000
"""Delays are looked at so often: under load batches come every 300 us, and a look costs 20."""


class Owned(Intercepting, Leavable, Protocol):
    """An ``Interception`` as its owner uses it."""

    @property
    def rings(self) -> Sequence[RecordSource]: ...
    def counters(self) -> Counts: ...
    def lives(self, network: IPNetwork) -> bool: ...


def check_standing(interception: Owned) -> None:
    """GrantLost where answers pass unseen from now on: nothing may be sent any more."""
    if not interception.is_there():
        raise GrantLost(
            f"the interception on {interception.interface} is gone: somebody removed it, or the interface; "
            "nothing more is sent"
        )


class LocalReader:
    """The records of one lease, out of its ring of an interception on this host; somebody else renews the lease."""

    def __init__(self, interception: Owned, lease: Lease, leases: Leases, ring: int = 0) -> None:
        self._kernel = interception
        self._networks = list(lease.networks)
        self._checked_ns = time.monotonic_ns()
        self._ring = interception.rings[ring]
        self._share = Share(lease.generation, lease.services, interception.sample)
        self._delay = DelayHistogram()
        self._looked_ns = 0
        self.grant = Grant(
            generation=lease.generation,
            services=list(lease.services),
            lease_s=leases.lease_ns / 1e9,
            linger_s=leases.linger_ns / 1e9,
            intercept=f"{interception.hook} on {interception.interface} ({interception.mode})",
            sample=interception.sample,
        )

    def read(self) -> Records:
        """Records since the last call.

        Raises:
            GrantLost: the answers are not dropped any more.
        """
        self.keep()
        records = self._share.of(self._ring.read())
        now = time.monotonic_ns()
        if len(records) and now - self._looked_ns >= _LOOK_NS:
            self._looked_ns = now
            self._delay.add(records, now)
        return records

    def keep(self) -> None:
        """Look once a second whether the answers are still dropped; the lease is somebody else's to renew.

        Raises:
            GrantLost: they are not.
        """
        now = time.monotonic_ns()
        if now - self._checked_ns >= _CHECK_NS:
            self._checked_ns = now
            self._check()

    def _check(self) -> None:
        if not all(map(self._kernel.lives, self._networks)):
            raise GrantLost(
                f"the interception on {self._kernel.interface} drops the answers no more: somebody removed it, or "
                "nobody renewed its lease; nothing more is sent"
            )

    def fileno(self) -> int:
        """The ring's descriptor."""
        return self._ring.fileno()

    def arm(self) -> bool:
        """Ask the kernel for a wake-up at the next record; False: records are there already."""
        return self._ring.arm()

    def disarm(self) -> None:
        """No wake-ups wanted any more."""
        self._ring.disarm()

    def clock(self) -> Clock:
        """Captured on this host's clock: nothing to convert."""
        return Clock(0, 0)

    def status(self) -> Status:
        """The delay only; the interception's counters are those of all its readers."""
        return Status(delay_p99_us=self._delay.percentile(99))

    def close(self, clean: bool = True, how: Ended = Ended.OVER) -> str | None:
        """Nothing to end: the lease is somebody else's."""
        return None


class LocalIntercept(LocalReader):
    """An interception, its lease and its records in this process. Call ``read()`` at least every 50 ms."""

    def __init__(
        self,
        interception: Owned,
        services: Sequence[Service],
        ranges: Sequence[IPNetwork],
        linger: float = 600.0,
        policy: Policy | None = None,
        addresses: Callable[[], Sequence[IPAddress]] = own_addresses,
        others: Callable[[], Sequence[Taken]] = others_nearby,
    ) -> None:
        """Not for callers: ``attach()`` makes one. GrantRefused when a range must not be forged."""
        self._interception = interception
        self._leases = Leases(interception, policy or Policy(local=True), linger, addresses, others=others)
        self._lease = self._leases.grant(services, ranges, "of this process")
        self._open = True
        super().__init__(interception, self._lease, self._leases)
        self._account = Account(self.grant, "this host's own interception")
        self._account.begin(services, ranges, Intent())

    @classmethod
    def attach(
        cls,
        hook: Literal["xdp", "tc"],
        interface: str,
        *,
        services: Sequence[Service],
        ranges: Sequence[IPNetwork],
        xdp_mode: Literal["auto", "native", "generic"] = "auto",
        linger: float = 600.0,
        policy: Policy | None = None,
        sample: int = 0,
    ) -> LocalIntercept:
        """Attach to an interface of this host and start to drop the answers to ``ranges``.

        Args:
            sample: bytes of each answer's payload that the run needs; ``grant.sample`` is rounded up.

        Raises:
            EnvironmentFault: no such interface, a missing capability, another program there.
            InputFault: it needs more bytes than can be sampled.
            GrantRefused: a range that must not be forged (the server's, this host's, strangers'), a public server.
        """
        from gryphon.controller.interception import Interception  # the only way to bcc: not for remote runs

        interception = Interception.attach(hook, interface, xdp_mode=xdp_mode, sample=rounded(sample))
        try:
            return cls(interception, services, ranges, linger, policy)
        except BaseException:
            leave(interception)
            raise

    def keep(self) -> None:
        """Renew the lease once a second.

        Raises:
            GrantLost: after ``close()``, or when the answers are not dropped any more.
        """
        if not self._open:
            raise GrantLost("the local interception was closed")
        now = time.monotonic_ns()
        if now - self._lease.renewed_ns >= _RENEWAL_NS:
            self._check()  # first: a lease that has run out is not to be revived
            self._leases.renew(self._lease, now)

    def read(self) -> Records:
        """Records since the last call; also keeps the lease. GrantLost as of ``keep()``."""
        records = super().read()
        self._account.count(len(records))
        return records

    def _check(self) -> None:
        super()._check()
        check_standing(self._interception)

    def status(self) -> Status:
        """Counters as of now; the CPU time is in that of this process."""
        return Status(counters=self._interception.counters(), delay_p99_us=self._delay.percentile(99))

    def close(self, clean: bool = True, how: Ended = Ended.OVER) -> str | None:
        """End the interception if every connection was closed (``clean``), else leave it for the linger time.

        It also stays while ranges of an earlier run still linger. Returns what stays behind, as a sentence.
        """
        if not self._open:
            return None
        self._open = False
        self._account.end(how)
        now = time.monotonic_ns()
        if clean:
            self._leases.linger_ns = 0
        self._leases.end(self._lease, now)
        return leave(self._interception)
