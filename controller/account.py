"""The sender's log of one grant: a line when it begins, one when it ends, whatever ends it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from gryphon.controller.intent import Intent
from gryphon.controller.policy import show_service
from gryphon.controller.quota import allowed
from gryphon.controller.source import Grant, IPNetwork, Service

_log = logging.getLogger("gryphon.channel")


class Account:
    """Of a grant, and the intercept that gave it.

    Attributes:
        records: that have come in; None where others count them.
    """

    def __init__(self, grant: Grant, name: str) -> None:
        self.records: int | None = None
        self._grant, self._name = grant, name
        self._began_ns = time.monotonic_ns()
        self._open = False

    def begin(self, services: Sequence[Service], ranges: Sequence[IPNetwork], intent: Intent) -> None:
        """What this run may do from now on."""
        self._open = True
        _log.info(
            "grant %d of %s begins (%s): forged %s against %s, %s",
            self._grant.generation,
            self._name,
            self._grant.intercept,
            ", ".join(map(str, ranges)),
            ", ".join(map(show_service, services)),
            allowed(self._grant.quota, intent.users),
        )

    def end(self, how: str) -> None:
        """How it ended; only the first time."""
        if not self._open:
            return
        self._open = False
        lived = (time.monotonic_ns() - self._began_ns) / 1e9
        had = f" and had {self.records:,} records" if self.records is not None else ""
        _log.info("grant %d of %s ended: %s; it lived %.1f s%s", self._grant.generation, self._name, how, lived, had)

    def count(self, records: int) -> None:
        """So many more have come in."""
        self.records = (self.records or 0) + records

    def forget(self) -> None:
        """Another process has it, and will say how it ended."""
        self._open = False
