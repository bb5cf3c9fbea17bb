"""The impairment's own process, inside a host: `python -m gryphon.lab.impairment OPTIONS` until SIGTERM.

It attaches `impair.bpf.c` where packets leave the interface, and holds what the program leads into the detour for some
milliseconds, so that later packets overtake it. Ready, it prints one line; at its end the counts as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import random
import selectors
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

from gryphon.bpf import loader, syscall

MARK = 0x67727970
KINDS = ("seen", "dropped", "duplicated", "detoured")
INTO, OUT_OF = "detour0", "detour1"
_EGRESS = 0xFFFFFFF3  # TC_H_CLSACT with TC_H_MIN_EGRESS
_SO_MARK = 36
_FRAME_BYTES = 1 << 17
_SHARE = 1 << 32


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--interface", default="eth0")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--seed", type=int, default=1)
    for name in ("loss", "duplicate", "reorder"):
        options.add_argument(f"--{name}", type=float, default=0.0, help="share of the packets")
    options.add_argument("--delay", type=float, nargs=2, default=(0.002, 0.012), help="seconds of the detour")
    return options.parse_args()


def _attach(route: Any, chosen: argparse.Namespace) -> loader.Module:
    """The detour's veth, and the program where packets leave."""
    route.link("add", ifname=INTO, kind="veth", peer={"ifname": OUT_OF})
    for name in (INTO, OUT_OF):
        route.link("set", index=socket.if_nametoindex(name), state="up")
    definitions = {
        "MARK": MARK,
        "PORT": chosen.port,
        "SEED": chosen.seed * 2_654_435_761 % _SHARE,
        "DETOUR": socket.if_nametoindex(INTO),
        **{name.upper(): int(getattr(chosen, name) * _SHARE) for name in ("loss", "duplicate", "reorder")},
    }
    module = loader.compile(Path(__file__).with_name("impair.bpf.c"), definitions)
    program = module.load(syscall.SCHED_CLS, "impair", "lab_impair")
    index = socket.if_nametoindex(chosen.interface)
    route.tc("add", "clsact", index)
    route.tc("add-filter", "bpf", index, ":1", fd=program, name="impair", parent=_EGRESS, classid=1, direct_action=True)
    return module


class Detour:
    """Frames that wait, each for a random time."""

    def __init__(self, interface: str, delay: tuple[float, float], seed: int) -> None:
        self._heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._heard.bind((OUT_OF, 0))
        self._heard.setblocking(False)
        self._said = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._said.bind((interface, 0))
        self._said.setsockopt(socket.SOL_SOCKET, _SO_MARK, MARK)
        self._random = random.Random(seed)
        self._delay = delay
        self._waiting: list[tuple[float, int, bytes]] = []
        self._number = 0

    def run(self) -> None:
        """Until SystemExit."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._heard, selectors.EVENT_READ)
            while True:
                first = self._waiting[0][0] - time.monotonic() if self._waiting else None
                ready.select(None if first is None else max(first, 0.0))
                self._take()
                self._give()

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, origin = self._heard.recvfrom(_FRAME_BYTES)
                if origin[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00":
                    self._number += 1
                    due = time.monotonic() + self._random.uniform(*self._delay)
                    heapq.heappush(self._waiting, (due, self._number, frame))

    def _give(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            self._said.send(heapq.heappop(self._waiting)[2])


def main() -> None:
    """The process."""
    from pyroute2 import IPRoute

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    chosen = _options()
    with IPRoute() as route:
        module = _attach(route, chosen)
        detour = Detour(chosen.interface, tuple(chosen.delay), chosen.seed)
        print("ready", flush=True)
        try:
            detour.run()
        finally:
            route.tc("del", "clsact", socket.if_nametoindex(chosen.interface))
            route.link("del", index=socket.if_nametoindex(INTO))
            print(json.dumps({kind: _count(module, place) for place, kind in enumerate(KINDS)}), flush=True)


def _count(module: loader.Module, place: int) -> int:
    """One number of the program's."""
    value = module.maps["counts"].get(struct.pack("=I", place))
    return 0 if value is None else int.from_bytes(value, sys.byteorder)


if __name__ == "__main__":
    main()
