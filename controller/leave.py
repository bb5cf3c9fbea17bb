"""How whoever intercepted goes: nothing stays when nothing is held, else the interception does, and it is said."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from gryphon.controller.errors import Fault
from gryphon.controller.leases import HeldRange


class Leavable(Protocol):
    """The part of ``Interception`` that its owner leaves with."""

    @property
    def interface(self) -> str: ...
    def ranges(self) -> Sequence[HeldRange]: ...
    def is_there(self) -> bool: ...
    def detach(self) -> None: ...
    def close(self) -> None: ...


def leave(interception: Leavable) -> str | None:
    """Detach when no range is held any more; otherwise let go, and say what stays and how to remove it."""
    now = time.monotonic_ns()
    held = [held for held in interception.ranges() if held.deadline_ns > now]
    if not held:
        interception.detach()
        return None
    networks = ", ".join(str(held.network) for held in held)
    interface = interception.interface
    if not interception.is_there():
        with suppress(OSError, Fault):  # the pins are what is left of it
            interception.detach()
        return f"nothing drops answers to {networks} on {interface} any more: the interception there was removed"
    interception.close()
    seconds = (max(held.deadline_ns for held in held) - now) / 1e9
    return (
        f"{interface} goes on dropping answers to {networks} for {seconds:.0f} s; "
        f"`gryphon-intercept --detach {interface}` removes that at once"
    )
