"""The intercepts of a run whose users are shared among several processes: at each place a source for every process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from gryphon.controller.client import Channel
from gryphon.controller.ended import Ended
from gryphon.controller.intent import Intent
from gryphon.controller.quota import Quota, strictest
from gryphon.controller.source import Intercept, IPNetwork, Service
from gryphon.sender.intercepts import Intercepts, Place, connect

if TYPE_CHECKING:
    from gryphon.controller.shared import SharedIntercept


class SharedIntercepts:
    """Open intercepts: local ones shared, and a channel for each process to every remote one.

    Args:
        shared: local ones, which this process keeps.
        sources: for each process, its source at each place.
        services: how many services the run has.
    """

    def __init__(
        self, shared: Sequence[SharedIntercept], sources: Sequence[Sequence[Intercept]], services: int
    ) -> None:
        self._shared = shared
        self._sources = sources
        self._services = services

    @property
    def names(self) -> list[str]:
        """The intercepts, for people."""
        return [source.grant.intercept for source in self._sources[0]]

    @property
    def quotas(self) -> list[Quota]:
        """What each process may do."""
        return [strictest([source.grant.quota for source in sources]) for sources in self._sources]

    def of(self, process: int) -> Intercepts:
        """Those of a process, for itself to read and to close."""
        return Intercepts(self._sources[process], self._services)

    def hand_over(self) -> None:
        """The processes are there: let go of what is theirs alone."""
        for sources in self._sources:
            for source in sources:
                if isinstance(source, Channel):
                    source.forget()

    def renew(self) -> None:
        """The processes live: keep the leases of the local ones."""
        for each in self._shared:
            each.renew()

    def ring_full(self) -> int:
        """Records that the local ones lost for want of room."""
        return sum(each.counters().ring_full for each in self._shared)

    def close(self, clean: bool, how: Ended = Ended.OVER) -> list[str]:
        """End what this process has: all where no process was started. Sentences about what stays behind."""
        for sources in self._sources:
            for source in sources:
                source.close(clean, how)
        return [sentence for each in self._shared if (sentence := each.close(clean, how))]


def open_shared(
    places: Sequence[Place],
    token: str | None,
    services: Sequence[Service],
    parts: Sequence[Sequence[IPNetwork]],
    xdp_mode: Literal["auto", "native", "generic"],
    sample: int = 0,
    intents: Sequence[Intent] | None = None,
) -> SharedIntercepts:
    """Get grants for all parts of the forged range at every place, or at none; see ``open_intercepts``.

    Args:
        intents: that of each part.
    """
    intents = intents or [Intent()] * len(parts)
    with ExitStack() as undo:
        shared: list[SharedIntercept] = []
        sources: list[list[Intercept]] = [[] for _ in parts]
        for place in places:
            if place.hook:
                from gryphon.controller.shared import SharedIntercept

                here = SharedIntercept.attach(
                    place.hook, place.interface, services=services, parts=parts, xdp_mode=xdp_mode, sample=sample
                )
                undo.callback(here.close, clean=True)
                shared.append(here)
                found: list[Intercept] = list(here.readers)
            else:
                found = []
                for ranges, intent in zip(parts, intents, strict=True):
                    channel = connect(place, token, services, ranges, sample, intent)
                    undo.callback(channel.close, clean=True)
                    found.append(channel)
            for mine, source in zip(sources, found, strict=True):
                mine.append(source)
        undo.pop_all()
    return SharedIntercepts(shared, sources, len(services))
