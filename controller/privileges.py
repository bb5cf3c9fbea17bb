"""Capabilities given up once everything that takes them is open: who breaks in later finds a process that may nothing.

Numbers are the kernel's (include/uapi/linux/capability.h, prctl.h). A capability is a thread's own, and is passed on to
the threads and processes that it starts: give up before the first of them.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from gryphon.controller.errors import EnvironmentFault

NUMBERS = {"CAP_DAC_OVERRIDE": 1, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_PERFMON": 38, "CAP_BPF": 39}
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_CAPBSET_DROP, _NO_NEW_PRIVS, _AMBIENT, _AMBIENT_CLEAR = 24, 38, 47, 4
_SETPCAP = 8
_LAST = Path("/proc/sys/kernel/cap_last_cap")

_libc = ctypes.CDLL(None, use_errno=True)


def without_library_threads() -> None:
    """Have numpy's linear algebra, which nobody here uses, start no thread: it would keep what is given up.

    For the beginning of a process, before numpy is imported.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def give_up(keep: Iterable[str] = (), files: Sequence[Path] = ()) -> None:
    """Keep these capabilities as far as they are held, and none beside them, in this thread and what it starts.

    What is given up cannot be had again, nor by executing anything (no_new_privs).

    Args:
        files: what is still to be written at the end: a file, or a directory in which something is. Root may write
            where it is not the owner by CAP_DAC_OVERRIDE alone, which is kept where one of these takes it.

    Raises:
        EnvironmentFault: the kernel refuses.
    """
    held = _permitted()
    override = held & _mask(["CAP_DAC_OVERRIDE"])
    _set(held & ~override, held)
    kept = held & _mask(keep)
    if override and not all(map(_may_write, files)):
        kept |= override
    _bound(kept)
    _libc.prctl(_AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    _set(kept, kept)
    if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise _refused("no_new_privs")


def _mask(names: Iterable[str]) -> int:
    return sum(1 << NUMBERS[name] for name in set(names))


def _may_write(path: Path) -> bool:
    there = os.access(path, os.F_OK, effective_ids=True)
    return os.access(path if there else path.absolute().parent, os.W_OK, effective_ids=True)


def _permitted() -> int:
    """This thread's permitted capabilities, one bit each."""
    header, data = _header(), ctypes.create_string_buffer(24)
    if _libc.capget(header, data):
        raise _refused("capget")
    words = struct.unpack("=6I", data.raw)  # effective, permitted, inheritable of the low 32, then of the high
    return int(words[1] | words[4] << 32)


def _set(effective: int, permitted: int) -> None:
    low, high = 0xFFFFFFFF, 32
    words = (effective & low, permitted & low, 0, effective >> high, permitted >> high, 0)
    if _libc.capset(_header(), struct.pack("=6I", *words)):
        raise _refused("capset")


def _bound(kept: int) -> None:
    """Takes the others from the bounding set; where CAP_SETPCAP is missing, no_new_privs alone has to do."""
    if not _permitted() >> _SETPCAP & 1:
        return
    for number in range(int(_LAST.read_text()) + 1):
        if not kept >> number & 1:
            _libc.prctl(_CAPBSET_DROP, number, 0, 0, 0)


def _header() -> bytes:
    return struct.pack("=Ii", _VERSION, 0)


def _refused(what: str) -> EnvironmentFault:
    reason = os.strerror(ctypes.get_errno())
    return EnvironmentFault(f"capabilities that are not needed any more cannot be given up ({what}: {reason}).")
