"""This thread in the network of one of the lab's hosts."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.processes import NAMESPACES
from gryphon.lab.wiring import HostName

_NEWNET = 0x40000000  # CLONE_NEWNET, include/uapi/linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(lab: Lab, host: HostName) -> Iterator[None]:
    """Has this thread there for as long as the context lasts (Python's own os.setns comes with 3.12)."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(NAMESPACES / lab.namespace(host), os.O_RDONLY)
    try:
        if _libc.setns(there, _NEWNET):
            raise EnvironmentFault(f"The lab's {host} cannot be entered: {os.strerror(ctypes.get_errno())}.")
        yield
    finally:
        _libc.setns(own, _NEWNET)
        os.close(own)
        os.close(there)
