"""A map by descriptor: keys and values as bytes."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from gryphon.bpf import syscall


class Map:
    """One map of the kernel's; closes its descriptor with itself.

    Attributes:
        value_size: bytes of a value; a per-CPU map has one for each possible CPU.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        kind, _, self.key_size, self.value_size, self.max_entries = struct.unpack(
            "=IIIII", syscall.info(descriptor, 20)
        )
        self._per_cpu = kind in (5, 6, 10)  # BPF_MAP_TYPE_PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH

    @classmethod
    def pinned(cls, path: Path) -> Map:
        """Opens a pinned map."""
        return cls(syscall.pinned(path))

    def close(self) -> None:
        """Lets go of the map; harmless when done already."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _attributes(self, key: bytes, value: int) -> tuple[bytes, ctypes.Array[ctypes.c_char]]:
        buffer = ctypes.create_string_buffer(key, self.key_size)
        return struct.pack("=IIQQQ", self.descriptor, 0, ctypes.addressof(buffer), value, 0), buffer

    def get(self, key: bytes) -> bytes | None:
        """Looks a key up; a per-CPU value is the values of all possible CPUs, each padded to 8 bytes."""
        size = self.value_size
        if self._per_cpu:
            size = (size + 7) // 8 * 8 * possible_cpus()
        value = ctypes.create_string_buffer(size)
        attributes, _keep = self._attributes(key, ctypes.addressof(value))
        try:
            syscall.bpf(syscall.MAP_LOOKUP, attributes)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return value.raw

    def set(self, key: bytes, value: bytes) -> None:
        """Adds or replaces an entry."""
        buffer = ctypes.create_string_buffer(value, self.value_size)
        attributes, _keep = self._attributes(key, ctypes.addressof(buffer))
        syscall.bpf(syscall.MAP_UPDATE, attributes)

    def delete(self, key: bytes) -> None:
        """Removes an entry; harmless when it is not there."""
        attributes, _keep = self._attributes(key, 0)
        try:
            syscall.bpf(syscall.MAP_DELETE, attributes)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Walks the entries, whose order means nothing."""
        following = ctypes.create_string_buffer(self.key_size)
        key: ctypes.Array[ctypes.c_char] | None = None
        while True:
            at = ctypes.addressof(key) if key is not None else 0
            try:
                syscall.bpf(
                    syscall.MAP_NEXT_KEY,
                    struct.pack("=IIQQ", self.descriptor, 0, at, ctypes.addressof(following)),
                )
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            key = ctypes.create_string_buffer(following.raw, self.key_size)
            value = self.get(key.raw)
            if value is not None:
                yield key.raw, value


def possible_cpus() -> int:
    """Counts the CPUs that a per-CPU value has room for."""
    text = Path("/sys/devices/system/cpu/possible").read_text()
    ends = [int(part.split("-")[-1]) for part in text.strip().split(",")]
    return max(ends) + 1
