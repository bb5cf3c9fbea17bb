"""What does least with answers at a hook, for comparison: it drops them, or records that they came and drops them."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gryphon.bpf import loader, syscall
from gryphon.controller.attach import HookName
from gryphon.controller.ring import Ring

PROGRAM = Path(__file__).with_suffix(".bpf.c")
RING_BYTES = 16 << 20
_INGRESS = 0xFFFFFFF2  # TC_H_CLSACT with TC_H_MIN_INGRESS


class Bare:
    """The programs of one hook, not attached.

    Attributes:
        drops: descriptor of the one that only drops.
        records: descriptor of the one that records that a packet came, and drops it.
        ring: what that one records.
    """

    def __init__(self, hook: HookName) -> None:
        self._module = _compiled()
        kind, drops = (syscall.XDP, "drop") if hook == "xdp" else (syscall.SCHED_CLS, "steal")
        self.drops = self._module.load(kind, drops, f"bench_{drops}")
        self.records = self._module.load(kind, f"{drops}_recorded", "bench_recorded")
        self.ring = Ring(self._module.maps["ring"], self._module.maps["sleeping"])

    def arrived(self) -> int:
        """Counts the packets that were dropped, or recorded and dropped."""
        raw = self._module.maps["arrived"].get(bytes(4)) or b""
        return sum(struct.unpack(f"={len(raw) // 8}Q", raw))

    def close(self) -> None:
        """Lets go of them."""
        os.close(self.drops)
        os.close(self.records)
        self._module.close()


@contextmanager
def turned() -> Iterator[None]:
    """What enters this host at its loopback leaves it through its interface, as if it had sent it."""
    from pyroute2 import IPRoute

    module = _compiled()
    program = module.load(syscall.SCHED_CLS, "turn", "bench_turn")
    index = socket.if_nametoindex("lo")
    with IPRoute() as route:
        route.tc("add", "clsact", index)
        try:
            bound: dict[str, Any] = {"fd": program, "name": "turn", "parent": _INGRESS, "direct_action": True}
            route.tc("add-filter", "bpf", index, 1, prio=1, protocol=3, classid=1, **bound)
            yield
        finally:
            route.tc("del", "clsact", index)
            os.close(program)
            module.close()


def _compiled() -> loader.Module:
    return loader.compile(PROGRAM, {"DEVICE": socket.if_nametoindex("eth0"), "RING_BYTES": RING_BYTES})
