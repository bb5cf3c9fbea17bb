"""Attaching and detaching: the program onto a hook, taking over what an earlier intercept left there."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from gryphon.bpf import capabilities, loader, syscall
from gryphon.bpf.maps import Map
from gryphon.controller import egress, interfaces, xdp
from gryphon.controller.egress import EgressHook
from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.controller.few import Few
from gryphon.controller.place import Place
from gryphon.controller.private import private_directory
from gryphon.controller.samples import check_sample
from gryphon.controller.tables import Ranges, Services
from gryphon.controller.xdp import XdpHook

_INDEX = struct.Struct("=I")

HookName = Literal["xdp", "tc"]
SOURCE = Path(loader.__file__).parent / "intercept.bpf.c"
PINNED = ("services", "ranges")
"""Maps from which the next intercept takes over; the ring is not among them: each has its own, of its own layout."""
PHRASES = {"xdp": "XDP program", "tc": "tc egress filter"}


class Hook(Protocol):
    """Where a program can be attached."""

    mode: str

    def find(self) -> bool:
        """Looks for what an earlier intercept left."""

    def attach(self, program: int) -> None:
        """Attaches the program, or puts it in the place of the one found."""

    def is_there(self) -> bool:
        """Whether what was attached still is: others may remove it."""

    def detach(self) -> None:
        """Takes it off."""

    def close(self) -> None:
        """Lets go of it."""


@dataclass
class Attached:
    """An interception that works: what ``Interception`` stands on."""

    place: Place
    hook: Hook
    module: loader.Module
    ranges: Ranges
    services: Services
    taken_over: bool
    rings: list[Map]


def attach(
    hook: HookName, interface: str, xdp_mode: xdp.Mode, ring_bytes: int, sample: int, rings: int = 1
) -> Attached:
    """Compiles the program and puts it in its place; see ``Interception.attach``."""
    capabilities.require()
    _check_ring(ring_bytes)
    check_sample(sample)
    place = Place(interface, interfaces.index_of(interface), hook)
    place.lock()
    try:
        place.mount()
        chosen = XdpHook(place, xdp_mode) if hook == "xdp" else EgressHook(place)
        taken_over = chosen.find()
        if not taken_over:
            place.clear()  # Of an interface that had this index before.
        return _load(place, chosen, taken_over, {"RING_BYTES": ring_bytes, "SAMPLE": sample, "RINGS": rings})
    except BaseException:
        place.unlock()
        raise


def _load(place: Place, hook: Hook, taken_over: bool, definitions: Mapping[str, int]) -> Attached:
    kind, function, name = (
        (xdp.KIND, xdp.FUNCTION, xdp.NAME) if place.hook == "xdp" else (egress.KIND, egress.FUNCTION, egress.NAME)
    )
    module = loader.compile(SOURCE, definitions, private_directory("programs"))
    try:
        rings = _rings(module, definitions["RINGS"], definitions["RING_BYTES"])
        program = module.load(kind, function, name)
        few = Few(module.maps["few"])
        ranges = Ranges(module.maps["ranges"], few)
        services = Services(module.maps["services"], module.maps["addresses"], few, ranges)
        if taken_over:
            _take_over(place, ranges, services)
        try:
            hook.attach(program)
        finally:
            os.close(program)
        for pinned in PINNED:
            place.pin(pinned, module.maps[pinned].descriptor)
    except BaseException:
        module.close()
        hook.close()
        if not taken_over:
            place.clear()
        raise
    return Attached(place, hook, module, ranges, services, taken_over, rings)


def _rings(module: loader.Module, count: int, size: int) -> list[Map]:
    """The rings, the first of which the program's text brings; with several, the program finds them by their number."""
    rings = [module.maps["ring"]]
    if count > 1:
        rings += [Map(syscall.ring_create(size, f"ring{number}")) for number in range(1, count)]
        for number, ring in enumerate(rings):
            module.maps["rings"].set(_INDEX.pack(number), _INDEX.pack(ring.descriptor))
    return rings


def _take_over(place: Place, ranges: Ranges, services: Services) -> None:
    """Copies what lives from the old program's maps, before the new one takes its place."""
    old_ranges, old_services = place.pinned_map("ranges"), place.pinned_map("services")
    if old_ranges is None or old_services is None:
        return
    with contextlib.closing(old_ranges), contextlib.closing(old_services):
        ranges.copy(old_ranges)
        services.copy(old_services)


def detach(interface: str) -> list[str]:
    """Removes what a killed intercept left on an interface, on both hooks.

    Returns:
        What was removed, one phrase each.

    Raises:
        EnvironmentFault: the interface is missing, or an intercept is running there.
        InputFault: there is nothing to remove.
    """
    capabilities.require()
    index = interfaces.index_of(interface)
    places = [Place(interface, index, name) for name in ("xdp", "tc")]
    removed: list[str] = []
    try:
        for place in places:
            place.lock()  # Both before the first is touched: one that runs is left whole.
        for place in places:
            place.mount()
            removed += _remove(place)
    finally:
        for place in places:
            place.unlock()
    if not removed:
        raise InputFault(f"There is no interception on {interface} to detach.")
    return removed


def _remove(place: Place) -> list[str]:
    hook: Hook = XdpHook(place, "auto") if place.hook == "xdp" else EgressHook(place)
    removed = []
    if _find_ours(hook):
        hook.detach()
        removed.append(f"the {PHRASES[place.hook]} of {place.interface}")
    if place.clear():
        removed.append(f"the pins in {place.directory}")
    return removed


def _find_ours(hook: Hook) -> bool:
    try:
        return hook.find()
    except EnvironmentFault:  # Another's XDP program, which is none of our business here.
        return False


def _check_ring(ring_bytes: int) -> None:
    if ring_bytes < os.sysconf("SC_PAGESIZE") or ring_bytes & (ring_bytes - 1):
        raise InputFault(f"The ring cannot have {ring_bytes} bytes: it takes a power of two of at least a page.")
