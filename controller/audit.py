"""The log's lines about grants: one when a grant begins, one when it ends, and few about strangers."""

from __future__ import annotations

import logging
import time

from gryphon.controller.buckets import Bucket
from gryphon.controller.leases import Lease
from gryphon.controller.peer import Peer
from gryphon.controller.policy import show_service
from gryphon.controller.quota import Quota, allowed
from gryphon.controller.request import Request

_LINES_S, _LINES_BURST = 0.5, 30.0


class Audit:
    """Writes them. Strangers, who may come in thousands, get a line each only while there are few.

    Args:
        log: where to.
        linger_s: how long answers are dropped after the end of a grant.
    """

    def __init__(self, log: logging.Logger, linger_s: float) -> None:
        self._log = log
        self._linger_s = linger_s
        self._lines = Bucket(_LINES_S, _LINES_BURST, time.monotonic_ns())
        self._untold = 0

    def begins(self, peer: Peer, lease: Lease, request: Request, quota: Quota) -> None:
        """Who may do what from now on."""
        self._log.info(
            "grant %d to %s begins (%s): forged %s against %s, %s",
            lease.generation,
            peer.name,
            request.intent.who(),
            ", ".join(map(str, lease.networks)),
            ", ".join(map(show_service, request.services)),
            allowed(quota, request.intent.users),
        )

    def ends(self, peer: Peer, lease: Lease, how: str, level: int) -> None:
        """How it ended, and what it came to."""
        who = peer.request.intent.who().partition(":")[0] if peer.request else "?"
        lost = peer.outbox.dropped
        self._log.log(
            level,
            "grant %d of %s (%s) ended: %s; its answers are dropped for %g s more; "
            "it lived %.1f s and had %s records%s",
            lease.generation,
            peer.name,
            who,
            how,
            self._linger_s,
            (time.monotonic_ns() - peer.granted_ns) / 1e9,
            f"{peer.records:,}",
            f"; {lost:,} records lost to slow reading" if lost else "",
        )

    def stranger(self, level: int, text: str, *about: object) -> None:
        """Something about somebody without a grant, or only that there were more of them."""
        if not self._lines.take(time.monotonic_ns()):
            self._untold += 1
            return
        if self._untold:
            self._log.warning("%s more connections without a grant came and went", f"{self._untold:,}")
            self._untold = 0
        self._log.log(level, text, *about)
