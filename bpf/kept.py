"""Compiled program texts kept in a file for the next start: bcc takes a second, which is most of a short run's.

A file has what the kernel is given: instructions, in which a map is a number, and what each map is made with. Whoever
may write it decides what is loaded, so its directory must be the user's alone; the caller sees to that.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gryphon.bpf import syscall

FILES = 8
"""So many are kept in a directory, the newest."""

_MAPS_OF_MAPS = (12, 13)  # BPF_MAP_TYPE_ARRAY_OF_MAPS, HASH_OF_MAPS: made with a pattern, not of numbers alone
_LOAD_64, _PSEUDO_MAP = 0x18, 1  # BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_MAP_FD


class MapShape(NamedTuple):
    """What a map is made with (the head of ``union bpf_attr``)."""

    name: str
    kind: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int

    @classmethod
    def of(cls, descriptor: int, name: str) -> MapShape:
        """The shape of a map that is there."""
        kind, _, key, value, entries, flags = struct.unpack("=IIIIII", syscall.info(descriptor, 24))
        return cls(name, kind, key, value, entries, flags)

    def make(self) -> int:
        """Makes such a map and gives its descriptor."""
        return syscall.map_create(*self[1:], self.name)


class Code(NamedTuple):
    """A compiled text: its functions' instructions, with maps by their place in ``maps``."""

    functions: dict[str, bytes]
    maps: list[MapShape]


def with_maps(instructions: bytes, numbers: Mapping[int, int]) -> bytes:
    """Puts other numbers in the place of maps: the operand of every 64-bit load of one."""
    code = bytearray(instructions)
    for at in range(0, len(code), 8):
        opcode, registers, operand = code[at], code[at + 1], code[at + 4 : at + 8]
        if opcode == _LOAD_64 and registers >> 4 == _PSEUDO_MAP:
            code[at + 4 : at + 8] = numbers[int.from_bytes(operand, sys.byteorder)].to_bytes(4, sys.byteorder)
    return bytes(code)


def file_name(text: str, flags: Sequence[str], compiler: Path) -> str:
    """A name that is another one when the text, the kernel, its headers or the compiler are.

    Args:
        compiler: a file that comes with it.
    """
    parts = [text, *flags, platform.release(), platform.machine()]
    for file in (compiler, Path("/usr/include/linux/bpf.h")):
        status = file.stat() if file.exists() else None
        parts.append(f"{file} {status and (status.st_mtime_ns, status.st_size)}")
    return f"{hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()}.json"


def read(file: Path) -> Code | None:
    """What was kept; None: nothing, or nothing that can be read."""
    try:
        kept = json.loads(file.read_text())
        functions = {str(name): base64.b64decode(code) for name, code in kept["functions"].items()}
        maps = [MapShape(str(name), *map(int, numbers)) for name, *numbers in kept["maps"]]
        os.utime(file)  # in use: not the first to go
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Code(functions, maps)


def write(file: Path, code: Code) -> None:
    """Keeps a compiled text, as far as it can be; a disk that is full is nobody's concern."""
    if any(shape.kind in _MAPS_OF_MAPS for shape in code.maps):
        return
    functions = {name: base64.b64encode(text).decode() for name, text in code.functions.items()}
    begun = file.with_suffix(f".{os.getpid()}")
    try:
        begun.write_text(json.dumps({"functions": functions, "maps": code.maps}))
        begun.replace(file)
        newest = sorted(file.parent.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in newest[FILES:]:
            old.unlink(missing_ok=True)
    except OSError:
        return
