"""What this host and process have for intercepting, found out by trying; for those who may not know ``bpf``."""

from __future__ import annotations

import ctypes
import errno
import threading
from collections.abc import Callable
from typing import NamedTuple

from gryphon.bpf import abilities, capabilities, headers, loader, syscall
from gryphon.controller import interfaces, xdp
from gryphon.controller.egress import EgressHook
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.place import Place

_CLONE_NEWNET = 0x40000000
_CLSACT_MISSING = (errno.ENOENT, errno.EOPNOTSUPP, errno.EINVAL)


class Abilities(NamedTuple):
    """Answers are None where this process may not ask; a sentence is empty where nothing is wrong."""

    ring_buffer: bool | None
    live_frames: bool | None
    clsact: bool | None
    missing: tuple[str, ...]  # capabilities that intercepting needs and this process lacks
    bcc: str
    headers: str


def find_abilities() -> Abilities:
    """Try each; takes about half a second, leaves nothing behind."""
    return Abilities(
        ring_buffer=abilities.ring_buffer(),
        live_frames=abilities.live_frames(),
        clsact=_clsact(),
        missing=tuple(capabilities.missing(capabilities.effective())),
        bcc=_fault_of(loader.find_bcc),
        headers=_fault_of(headers.compiler_flags),
    )


class Hooks(NamedTuple):
    """What hangs on an interface."""

    xdp: str  # the XDP program's name, "number N" where it has none; empty without a program
    tc: bool  # gryphon's own filter at tc egress

    @property
    def ours(self) -> bool:
        """Whether the XDP program is an interception of gryphon's."""
        return self.xdp == xdp.NAME


def hooks_of(name: str, index: int) -> Hooks | None:
    """The programs at both hooks of an interface; None where it is gone, or cannot be looked at."""
    try:
        number, _ = interfaces.xdp_program(index)
        called = (syscall.program_name(number) or f"number {number}") if number else ""
        return Hooks(called, EgressHook(Place(name, index, "tc")).find())
    except Exception:  # pyroute2 has errors of its own for each way of being refused
        return None


def _fault_of(call: Callable[[], object]) -> str:
    """What stands in the way of a call."""
    try:
        call()
    except EnvironmentFault as fault:
        return str(fault)
    return ""


def _clsact() -> bool | None:
    """Whether there is the qdisc clsact: put on the loopback of a namespace that goes with the thread that tries."""
    found: list[bool | None] = []
    trying = threading.Thread(target=lambda: found.append(_try_clsact()))
    trying.start()
    trying.join()
    return found[0] if found else None


def _try_clsact() -> bool | None:
    """The same in this thread, which is in another namespace from here on."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        return None
    try:
        with IPRoute() as route:
            route.tc("add", "clsact", 1)
    except NetlinkError as error:
        return False if error.code in _CLSACT_MISSING else None
    except OSError:
        return None
    return True
