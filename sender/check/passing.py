"""Answers that pass a local interception by: this host has seen where they go, so nothing has to be guessed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Self

from gryphon.controller.leases import Lease
from gryphon.controller.record import Records
from gryphon.controller.source import IPNetwork, Service
from gryphon.controller.straying import Asked
from gryphon.controller.strays import Strays, Tap, open_tap
from gryphon.sender.check.flight import Cause
from gryphon.sender.intercepts import Place


class Passing:
    """Looks for answers at all interfaces of this host, until the first record. Nothing is seen without local places.

    Args:
        places: where answers are dropped, as ``-s`` has it.
        services: the servers under test.
        networks: the forged ranges.
    """

    def __init__(
        self,
        places: Sequence[Place],
        services: Sequence[Service],
        networks: Sequence[IPNetwork],
        tap: Callable[[], Tap | None] = open_tap,
    ) -> None:
        self._local = [place for place in places if place.hook]
        self._strays = Strays(self._local[0].hook, tap()) if self._local else None
        self._all = {0: Lease(0, list(networks), [], "", asked=Asked(tuple(services), tuple(networks)))}
        if self._strays is not None:
            self._strays.judge(self._all, time.monotonic_ns())  # from now on they are seen

    def look(self, records: Records, now: int) -> Cause | None:
        """What has come in since the last look, also from the intercepts; the cause once it is certain."""
        if len(records):  # they reach the interception
            self.close()
        if self._strays is None:
            return None
        self._strays.take(now)
        judged = self._strays.judge(self._all, now)
        if not judged:
            return None
        found = judged[0][1]
        watched = " and ".join(f"{place.hook}:{place.interface}" for place in self._local)
        return Cause(
            f"{found.seen('this host')}, and not where they are dropped ({watched})",
            f"-s {found.hook}:{found.place.interface}",
        )

    def close(self) -> None:
        """No more of it."""
        if self._strays is not None:
            self._strays.close()
        self._strays = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
