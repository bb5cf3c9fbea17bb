"""Live frames: runs an XDP program by BPF_PROG_RUN on frames that really leave, and hears of what became of them."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct

from gryphon.bpf import syscall
from gryphon.bpf.maps import Map

_LIVE_FRAMES = 2  # BPF_F_TEST_XDP_LIVE_FRAMES
_REPEAT_AT = 32  # in the attributes of BPF_PROG_TEST_RUN


class LiveRun:
    """One program and the shape of its frames; a call costs some 20 us of setting up, whatever it sends.

    The program has to be attached somewhere as XDP, too: otherwise every call waits for all CPUs (bpf_prog_change_xdp
    in net/bpf/test_run.c), some 25 ms.

    Args:
        program: its descriptor, which stays the caller's.
        length: bytes of a frame before the program changes it.
        batch: frames that go through the program before they are handed on, 1 to 256.
        frame: what is in them before, zeros from where it ends; the kernel uses frames again as the program left them.
    """

    def __init__(self, program: int, length: int, batch: int, frame: bytes = b"") -> None:
        self._data = ctypes.create_string_buffer(frame, length)
        self._attributes = ctypes.create_string_buffer(
            struct.pack(
                "=IIIIQQIIIIQQIII",
                *(program, 0, length, 0, ctypes.addressof(self._data), 0),
                *(0, 0, 0, 0, 0, 0, _LIVE_FRAMES, 0, batch),
            ),
            syscall.ATTR_SIZE,
        )
        self._call = syscall.prepared(syscall.PROG_TEST_RUN, self._attributes)

    def run(self, frames: int) -> int:
        """Sends so many frames; 0, or the errno with which the kernel stopped earlier."""
        struct.pack_into("=I", self._attributes, _REPEAT_AT, frames)
        return self._call()

    def close(self) -> None:
        """From now on ``run`` gives EBADF, whoever has the descriptor's number next."""
        struct.pack_into("=i", self._attributes, 0, -1)


def run_once(program: int) -> None:
    """Runs a raw tracepoint's program in this process, as if the tracepoint had been passed."""
    syscall.bpf(syscall.PROG_TEST_RUN, struct.pack("=I", program))


def listen(program: int, tracepoint: str) -> int:
    """Attaches a program to a raw tracepoint; gives the descriptor with which it goes."""
    name = ctypes.create_string_buffer(tracepoint.encode())
    return syscall.bpf(syscall.RAW_TRACEPOINT_OPEN, struct.pack("=QIIQ", ctypes.addressof(name), program, 0, 0))[0]


def memory(table: Map) -> mmap.mmap:
    """The values of an array that was made with BPF_F_MMAPABLE, to read and to write; each padded to 8 bytes."""
    size = (table.value_size + 7) // 8 * 8 * table.max_entries
    page = os.sysconf("SC_PAGESIZE")
    return mmap.mmap(table.descriptor, (size + page - 1) // page * page, mmap.MAP_SHARED)
