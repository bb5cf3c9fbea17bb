"""What this kernel does with BPF, found out by trying; nothing stays of a trial."""

from __future__ import annotations

import errno
import os
import struct

from gryphon.bpf import syscall
from gryphon.bpf.live import LiveRun

_MAP_CREATE = 0
_RING_BUFFER = 27  # BPF_MAP_TYPE_RINGBUF, include/uapi/linux/bpf.h
_REFUSED = (errno.EPERM, errno.EACCES)
_DROP = struct.pack("=BBhi", 0xB7, 0, 0, 1) + struct.pack("=BBhi", 0x95, 0, 0, 0)  # r0 = XDP_DROP; exit


def ring_buffer() -> bool | None:
    """Whether there is the ring buffer map (Linux 5.8); None where this process may not try."""
    try:
        descriptor, _ = syscall.bpf(_MAP_CREATE, struct.pack("=IIII", _RING_BUFFER, 0, 0, os.sysconf("SC_PAGESIZE")))
    except OSError as error:
        return None if error.errno in _REFUSED else False
    os.close(descriptor)
    return True


def live_frames() -> bool | None:
    """Whether BPF_PROG_RUN sends live frames (Linux 5.18); None where this process may not try.

    One frame is made and dropped by the program itself: none leaves.
    """
    try:
        program = syscall.program_load(syscall.XDP, "gryphon_trial", _DROP, 0)
    except OSError as error:
        return None if error.errno in _REFUSED else False
    try:
        number = LiveRun(program, 64, 1).run(1)
    finally:
        os.close(program)
    return None if number in _REFUSED else number == 0
