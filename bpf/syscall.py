"""bpf(2) by ctypes: programs, links, pins and maps by descriptor, with no library between.

Numbers and layouts are those of the kernel's ``include/uapi/linux/bpf.h``; every function raises ``OSError``.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Callable
from pathlib import Path

_NUMBER = {"x86_64": 321, "aarch64": 280, "riscv64": 280}
ATTR_SIZE = 144
"""Zeroed beyond what a command needs; the kernel accepts any size whose unknown rest is zero."""

MAP_CREATE = 0
MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_NEXT_KEY = 1, 2, 3, 4
PROG_LOAD, OBJ_PIN, OBJ_GET = 5, 6, 7
PROG_TEST_RUN, OBJ_INFO = 10, 15
PROG_FD_BY_ID = 13
RAW_TRACEPOINT_OPEN = 17
LINK_CREATE, LINK_UPDATE, LINK_DETACH = 28, 29, 34

SCHED_CLS, XDP, RAW_TRACEPOINT = 3, 6, 17
"""Program types."""
ATTACH_XDP = 37
_RINGBUF = 27  # BPF_MAP_TYPE_RINGBUF
HAS_FRAGS = 32
"""BPF_F_XDP_HAS_FRAGS: packets in several buffers, which an MTU above a page needs."""

_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """Issues one command.

    Args:
        attributes: the packed head of ``union bpf_attr``.

    Returns:
        What the kernel returned, and the attributes as it left them.
    """
    attr = ctypes.create_string_buffer(attributes, ATTR_SIZE)
    result = _libc.syscall(_number(), command, attr, ATTR_SIZE)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(result), attr.raw


def prepared(command: int, attributes: ctypes.Array[ctypes.c_char]) -> Callable[[], int]:
    """Makes a function that issues one command with attributes that stay (``ATTR_SIZE`` bytes): 0 or the errno.

    Without a buffer and a result of its own for each call it costs a third.
    """
    call, given = _libc.syscall, (_number(), command, ctypes.byref(attributes), ATTR_SIZE)

    def issue() -> int:
        return 0 if call(*given) >= 0 else ctypes.get_errno()

    return issue


def _number() -> int:
    number = _NUMBER.get(platform.machine())
    if number is None:
        raise OSError(0, f"bpf(2) is not known for {platform.machine()}")
    return number


def _address(buffer: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(buffer)


def program_load(kind: int, name: str, instructions: bytes, flags: int, log: bool = False) -> int:
    """Gives the program to the verifier and returns its descriptor.

    Raises:
        VerifierError: refused; with ``log``, what the verifier had to say.
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"Dual BSD/GPL")
    text = ctypes.create_string_buffer((16 << 20) - 1 if log else 1)
    attributes = struct.pack(
        "=IIQQIIQII16s",
        *(kind, len(instructions) // 8, _address(code), _address(licence)),
        *(int(log), len(text) if log else 0, _address(text) if log else 0),
        *(0, flags, name.encode()[:15]),
    )
    try:
        return bpf(PROG_LOAD, attributes)[0]
    except OSError as error:
        raise VerifierError(error.errno or 0, error.strerror or "", text.value.decode(errors="replace")) from None


class VerifierError(OSError):
    """The kernel refused a program; ``log`` is the verifier's account of it."""

    def __init__(self, number: int, text: str, log: str) -> None:
        super().__init__(number, text)
        self.log = log


def ring_create(size: int, name: str) -> int:
    """Makes a BPF ring buffer of so many bytes (a power of two, whole pages) and returns its descriptor."""
    return map_create(_RINGBUF, 0, 0, size, 0, name)


def map_create(kind: int, key_size: int, value_size: int, max_entries: int, flags: int, name: str) -> int:
    """Makes a map (sizes in bytes; a name of at most 15 characters shows in the kernel's tools); its descriptor."""
    sizes = (kind, key_size, value_size, max_entries, flags)
    return bpf(MAP_CREATE, struct.pack("=IIIIIII16s", *sizes, 0, 0, name.encode()[:15]))[0]


def pin(descriptor: int, path: Path) -> None:
    """Makes a program, map or link outlive this process, under a path in a bpffs."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    bpf(OBJ_PIN, struct.pack("=QII", _address(name), descriptor, 0))


def pinned(path: Path) -> int:
    """Opens what is pinned there."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    return bpf(OBJ_GET, struct.pack("=QII", _address(name), 0, 0))[0]


def info(descriptor: int, size: int) -> bytes:
    """Tells the first ``size`` bytes of the object's ``struct bpf_*_info``."""
    buffer = ctypes.create_string_buffer(size)
    bpf(OBJ_INFO, struct.pack("=IIQ", descriptor, size, _address(buffer)))
    return buffer.raw


def program_name(number: int) -> str:
    """Tells a program's name by its number, empty when it has none or may not be seen."""
    try:
        descriptor = bpf(PROG_FD_BY_ID, struct.pack("=I", number))[0]
    except OSError:
        return ""
    try:
        return info(descriptor, 80)[64:80].split(b"\0")[0].decode(errors="replace")
    finally:
        os.close(descriptor)


def xdp_link(program: int, index: int, flags: int) -> int:
    """Attaches an XDP program to an interface by a link; ``flags`` are XDP_FLAGS_DRV_MODE and the like."""
    return bpf(LINK_CREATE, struct.pack("=IIII", program, index, ATTACH_XDP, flags))[0]


def link_update(link: int, program: int) -> None:
    """Puts another program in the place of the link's, with no packet in between."""
    bpf(LINK_UPDATE, struct.pack("=IIII", link, program, 0, 0))


def link_detach(link: int) -> None:
    """Takes the link's program off its interface, whoever else still holds the link."""
    bpf(LINK_DETACH, struct.pack("=I", link))


def link_program_and_interface(link: int) -> tuple[int, int]:
    """Tells the program's number and the interface's index; index 0 when the interface is gone."""
    kind_id_program = struct.unpack("=IIIIQ", info(link, 24))
    return int(kind_id_program[2]), int(kind_id_program[4] & 0xFFFFFFFF)
