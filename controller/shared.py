"""One local interception for several replaying processes: a lease and a ring for each, in the hands of their parent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, Self

from gryphon.controller.account import Account
from gryphon.controller.ended import Ended
from gryphon.controller.intent import Intent
from gryphon.controller.leases import Leases, others_nearby
from gryphon.controller.leave import leave
from gryphon.controller.local import LocalReader, Owned, check_standing
from gryphon.controller.policy import Policy, own_addresses
from gryphon.controller.samples import rounded
from gryphon.controller.source import Counts, IPAddress, IPNetwork, Service
from gryphon.controller.surroundings import Taken


class SharedIntercept:
    """The interception and every reader's lease. Call ``renew()`` at least every few seconds.

    The process that attached it keeps it; each of its children reads from one of ``readers``.

    Attributes:
        readers: one for each part of the forged range, in order.
    """

    def __init__(
        self,
        interception: Owned,
        services: Sequence[Service],
        parts: Sequence[Sequence[IPNetwork]],
        linger: float = 600.0,
        policy: Policy | None = None,
        addresses: Callable[[], Sequence[IPAddress]] = own_addresses,
        others: Callable[[], Sequence[Taken]] = others_nearby,
    ) -> None:
        """Not for callers: ``attach()`` makes one. GrantRefused when a range must not be forged."""
        self._interception = interception
        own, known = list(addresses()), list(others())  # the same for every part
        self._leases = Leases(interception, policy or Policy(local=True), linger, lambda: own, others=lambda: known)
        self.readers: list[LocalReader] = []
        self._accounts: list[Account] = []
        for ring, ranges in enumerate(parts):
            lease = self._leases.grant(services, ranges, f"of process {ring}", ring=ring)
            self.readers.append(LocalReader(interception, lease, self._leases, ring))
            self._accounts.append(Account(self.readers[-1].grant, f"this host's own interception for process {ring}"))
            self._accounts[-1].begin(services, ranges, Intent())

    @classmethod
    def attach(
        cls,
        hook: Literal["xdp", "tc"],
        interface: str,
        *,
        services: Sequence[Service],
        parts: Sequence[Sequence[IPNetwork]],
        xdp_mode: Literal["auto", "native", "generic"] = "auto",
        sample: int = 0,
    ) -> Self:
        """Attach to an interface of this host and start to drop the answers to all parts; see ``LocalIntercept``."""
        from gryphon.controller.interception import Interception  # the only way to bcc: not for remote runs

        interception = Interception.attach(hook, interface, xdp_mode=xdp_mode, sample=rounded(sample), rings=len(parts))
        try:
            return cls(interception, services, parts)
        except BaseException:
            leave(interception)
            raise

    def renew(self) -> None:
        """The processes live: move the deadlines of all their ranges.

        Raises:
            GrantLost: somebody has removed the interception. The deadlines end, which the processes look at themselves.
        """
        now = time.monotonic_ns()
        if not self._interception.is_there():
            for lease in self._leases.living.values():
                for network in lease.networks:
                    self._interception.renew(network, now)
        check_standing(self._interception)
        for lease in self._leases.living.values():
            self._leases.renew(lease, now)

    def counters(self) -> Counts:
        """Packets of all readers."""
        return self._interception.counters()

    def close(self, clean: bool = True, how: Ended = Ended.OVER) -> str | None:
        """End the interception if every connection was closed (``clean``), else leave it for the linger time."""
        if clean:
            self._leases.linger_ns = 0
        for account in self._accounts:
            account.end(how)
        now = time.monotonic_ns()
        for lease in list(self._leases.living.values()):
            self._leases.end(lease, now)
        return leave(self._interception)
