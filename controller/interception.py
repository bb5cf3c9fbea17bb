"""An interception: answers of chosen services to forged ranges are dropped, and their headers arrive in a ring."""

from __future__ import annotations

import struct
from typing import Self

from gryphon.controller import attach as attaching
from gryphon.controller.attach import HookName, detach
from gryphon.controller.ring import Ring
from gryphon.controller.source import Counts as Counters
from gryphon.controller.source import IPAddress, IPNetwork
from gryphon.controller.tables import Range
from gryphon.controller.xdp import Mode

__all__ = ["Counters", "Interception", "Range", "detach"]

_COUNTERS = struct.Struct("=5Q")  # struct counters, per CPU
_ZERO = bytes(4)


class Interception:
    """The program on one hook of one interface, and the registers by which it decides.

    Not for several threads at once.

    Attributes:
        hook: "xdp" or "tc".
        interface: its name.
        mode: "native", "generic" or "tc egress".
        taken_over: it found, and took over, what an earlier intercept left.
        sample: bytes of payload behind each record.
        rings: the records, one ring for each reader that it was attached for.
        ring: the first of them.
    """

    def __init__(self, attached: attaching.Attached, sample: int = 0) -> None:
        self._attached = attached
        self.hook = attached.place.hook
        self.interface = attached.place.interface
        self.mode = attached.hook.mode
        self.taken_over = attached.taken_over
        self.sample = sample
        sleeping = attached.module.maps["sleeping"]
        self.rings = [Ring(ring, sleeping, sample, number) for number, ring in enumerate(attached.rings)]
        self.ring = self.rings[0]
        self._counters = attached.module.maps["counters"]

    @classmethod
    def attach(
        cls,
        hook: HookName,
        interface: str,
        *,
        xdp_mode: Mode = "auto",
        ring_bytes: int = 16 << 20,
        sample: int = 0,
        rings: int = 1,
    ) -> Self:
        """Compiles the program and attaches it; from an earlier intercept it takes over what that one left.

        Args:
            xdp_mode: "auto" is native where the driver can, else generic.
            ring_bytes: of each ring; a power of two.
            sample: bytes of each answer's payload to take along; a multiple of 8, at most 1024.
            rings: how many readers there will be; a range's records go to the ring that it was added with.

        Raises:
            EnvironmentFault: interface, capability, compiler or header missing; another's XDP program or another
                running intercept there; the kernel refuses.
            InputFault: a wrong size.
        """
        return cls(attaching.attach(hook, interface, xdp_mode, ring_bytes, sample, rings), sample)

    def add_service(self, address: IPAddress, port: int) -> int:
        """Registers a service whose answers are intercepted, once more when it is there; gives its index."""
        return self._attached.services.add(address, port)

    def remove_service(self, index: int) -> None:
        """Takes one registration back; the answers to ranges that live now are dropped until they run out."""
        self._attached.services.remove(index)

    def add_range(self, network: IPNetwork, generation: int, deadline_ns: int, ring: int = 0) -> None:
        """Registers a forged range.

        Args:
            generation: what its records carry; ranges inside it take it on.
            deadline_ns: CLOCK_MONOTONIC time from which the program lets it pass.
            ring: number of the ring for its records.
        """
        self._attached.ranges.add(network, generation, deadline_ns, ring)

    def renew(self, network: IPNetwork, deadline_ns: int) -> None:
        """Moves the deadline of a registered range."""
        self._attached.ranges.renew(network, deadline_ns)

    def ranges(self) -> list[Range]:
        """Gives the ranges that live, also those taken over."""
        return self._attached.ranges.all()

    def is_there(self) -> bool:
        """Whether the program still sits on its interface: another may have removed it, or the interface."""
        return self._attached.hook.is_there()

    def lives(self, network: IPNetwork) -> bool:
        """Whether the kernel drops answers to a registered range now, whichever process last moved its deadline."""
        return self._attached.ranges.lives(network)

    def counters(self) -> Counters:
        """Sums the counters of all CPUs, since the program was attached."""
        values = self._counters.get(_ZERO) or b""
        return Counters(*(sum(column) for column in zip(*_COUNTERS.iter_unpack(values), strict=True)))

    def detach(self) -> None:
        """Removes program, pins and filter (and the clsact qdisc when we made it and it is empty)."""
        self._attached.hook.detach()
        self._attached.place.clear()
        self.close()

    def close(self) -> None:
        """Lets go of all descriptors; the interception stays."""
        self._attached.hook.close()
        for ring in self._attached.rings[1:]:
            ring.close()
        self._attached.module.close()
        self._attached.place.unlock()
