"""The first services and ranges once more, in memory that the program compares inline: ``struct few`` in bpf/few.h.

What is here is always in the kernel's hash and trie, too, which decide what does not fit here. The program may read at
any time: every word is valid by itself; an entry counts by its last word, which is written last and taken away first.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.bpf import live
from gryphon.bpf.maps import Map
from gryphon.controller.fence import Fence

FEW = 8
"""Entries for services, and as many for ranges."""
SERVICE = np.dtype([(name, "u8") for name in ("address_hi", "address_lo", "key")])
RANGE = np.dtype([(name, "u8") for name in ("mask_hi", "mask_lo", "network_hi", "network_lo", "lease", "deadline_ns")])
LAYOUT = np.dtype(
    [
        *((name, "u8") for name in ("services_used", "services_more", "ranges_used", "ranges_more")),
        ("services", SERVICE, FEW),
        ("ranges", RANGE, FEW),
    ]
)
_ALL, _WORD = (1 << 128) - 1, (1 << 64) - 1


class Entries:
    """One half of the memory; what finds no free entry waits for one, and is counted meanwhile.

    Args:
        words: the entries, (FEW, words), of which the last one makes an entry count.
        used: one word, above the highest entry that is not free.
        more: one word, how many wait.
    """

    def __init__(
        self, words: npt.NDArray[np.uint64], used: npt.NDArray[np.uint64], more: npt.NDArray[np.uint64]
    ) -> None:
        self._words, self._used, self._more = words, used, more
        self._fence = Fence()
        self._held: dict[Hashable, Sequence[int]] = {}
        self._places: dict[Hashable, int] = {}

    def set(self, key: Hashable, words: Sequence[int]) -> None:
        """Adds an entry, or gives the one of that key other words."""
        self._held[key] = words
        self._settle(key)
        self._count()

    def forget(self, key: Hashable) -> None:
        """Removes an entry; harmless when it is not there."""
        self._held.pop(key, None)
        place = self._places.pop(key, None)
        if place is not None:
            self._words[place, -1] = 0
            waiting = next((each for each in self._held if each not in self._places), None)
            if waiting is not None:
                self._settle(waiting)
        self._count()

    def _settle(self, key: Hashable) -> None:
        """Writes an entry where it is, or where one is free."""
        taken = set(self._places.values())
        place = self._places.get(key, next((each for each in range(FEW) if each not in taken), None))
        if place is None:
            return
        self._fence()
        for number, word in enumerate(self._held[key][:-1]):
            self._words[place, number] = word
        self._fence()
        self._words[place, -1] = self._held[key][-1]
        self._places[key] = place

    def _count(self) -> None:
        """Those that wait first count as waiting, then as settled, so that none is overlooked."""
        self._fence()
        self._used[0] = max(self._places.values(), default=-1) + 1
        self._fence()
        self._more[0] = len(self._held) - len(self._places)


class Few:
    """Services and ranges, each by its own half.

    Not for two threads at once, as the tables that it belongs to.

    Args:
        table: the program's map ``few``, empty.
    """

    def __init__(self, table: Map) -> None:
        self._table: Any = np.frombuffer(live.memory(table), LAYOUT, 1)
        self._services = self._entries("services")
        self._ranges = self._entries("ranges")

    def set_service(self, packed: bytes, port: int, index: int) -> None:
        """Adds a service by its 16 bytes of address."""
        key = index << 32 | 1 << 16 | port
        self._services.set((packed, port), (*_halves(int.from_bytes(packed, "big")), key))

    def forget_service(self, packed: bytes, port: int) -> None:
        """Removes a service."""
        self._services.forget((packed, port))

    def set_range(self, prefix: int, packed: bytes, generation: int, ring: int, deadline_ns: int) -> None:
        """Adds a range by its prefix of 128 and its 16 bytes, or changes its lease."""
        mask = _ALL ^ (_ALL >> prefix)
        lease = prefix << 48 | generation << 32 | ring
        network = int.from_bytes(packed, "big")
        self._ranges.set((prefix, packed), (*_halves(mask), *_halves(network), lease, deadline_ns))

    def forget_range(self, prefix: int, packed: bytes) -> None:
        """Removes a range."""
        self._ranges.forget((prefix, packed))

    def _entries(self, name: str) -> Entries:
        words: npt.NDArray[np.uint64] = self._table[name].view(np.uint64).reshape(FEW, -1)
        return Entries(words, self._table[f"{name}_used"], self._table[f"{name}_more"])


def _halves(number: int) -> tuple[int, int]:
    return number >> 64, number & _WORD
