"""Proves that no answer to a forged address got past the interception: taps wherever it would show."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from gryphon.lab.hosts import Lab
from gryphon.lab.tap import Tap
from gryphon.lab.wiring import ENDS, FORGED_V4, FORGED_V6, End

EXPRESSION = f"dst net {FORGED_V4} or dst net {FORGED_V6}"
"""Everything for a forged address; for IPv4 this includes ARP questions for one."""


class Watch:
    """Taps on interfaces, as a context manager; `seen` says where packets for forged addresses came by.

    An XDP program drops before the tap of its own interface sees a packet, and a tc egress program before the
    packet reaches the tap on the way out. So a working interception leaves its own interface silent as well,
    and only the way from the server to it may carry such packets.
    """

    def __init__(self, lab: Lab, ends: Iterable[End] = ENDS) -> None:
        self._stack = ExitStack()
        self._taps = {
            end: Tap(lab, end.host, end.interface, lab.directory / f"watch-{end.host}-{end.interface}", EXPRESSION)
            for end in ends
        }

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for tap in self._taps.values():
                stack.enter_context(tap)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, fault, trace)

    def shown(self, most: int = 5) -> list[str]:
        """The first packets that were seen, in hexadecimal."""
        return [packet.hex() for tap in self._taps.values() for _, packet in tap.packets()][:most]

    def seen(self) -> dict[End, int]:
        """Packets for forged addresses by interface, without the interfaces that saw none."""
        counts = {end: sum(1 for _ in tap.packets()) for end, tap in self._taps.items()}
        return {end: count for end, count in counts.items() if count}
