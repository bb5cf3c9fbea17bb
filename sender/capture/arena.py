"""Columns that grow without knowing how far, and move from memory to an unlinked file once they are large.

What is in the file is the page cache's: the kernel writes it back and drops it when memory is short. So a
capture that is larger than the memory needs time, not memory.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import EnvironmentFault

IN_MEMORY = 1 << 28
"""Bytes of one arena that stay in memory."""

SPARED = 1 << 28
"""Bytes of the temporary directory that are left to others."""


def temporary() -> BinaryIO:
    """An unlinked file in TMPDIR, or else in /var/tmp, which unlike /tmp is on a disk."""
    directory = os.environ.get("TMPDIR") or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)
    with no_room():
        return tempfile.TemporaryFile(dir=directory, prefix="gryphon-")


@contextlib.contextmanager
def no_room() -> Iterator[None]:
    """A full or missing disk becomes one sentence."""
    try:
        yield
    except OSError as error:
        where = os.environ.get("TMPDIR") or "/var/tmp"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise EnvironmentFault(f"no room for a temporary file in {where}: free some, or set TMPDIR") from error
        raise EnvironmentFault(f"no temporary file in {where}: {error.strerror}; set TMPDIR") from error


def _leave_room(file: BinaryIO, size: int) -> None:
    """A disk is not filled up to the last byte: others need it too, and a hostile file unpacks to any size."""
    room = os.fstatvfs(file.fileno())
    if room.f_bavail * room.f_frsize < size + SPARED:
        where = os.environ.get("TMPDIR") or "/var/tmp"
        raise EnvironmentFault(f"no room for a temporary file in {where}: free some, or set TMPDIR to another disk")


class Arena:
    """Rows of one dtype, only ever added to."""

    def __init__(self, dtype: npt.DTypeLike, in_memory: int = IN_MEMORY) -> None:
        self._dtype = np.dtype(dtype)
        self._memory = np.empty(0, self._dtype)
        self._file: BinaryIO | None = None
        self._in_memory = in_memory
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add a copy of the rows."""
        self.extend(len(rows))[:] = rows

    def extend(self, count: int) -> npt.NDArray[Any]:
        """Room for ``count`` more rows, to be written before the arena is asked for anything else."""
        start, self._rows = self._rows, self._rows + count
        if self._file is None and self._rows * self._dtype.itemsize <= self._in_memory:
            if self._rows > len(self._memory):
                grown = np.empty(4 * self._rows, self._dtype)  # what is not written takes no memory
                grown[:start] = self._memory[:start]
                self._memory = grown
            return self._memory[start : self._rows]
        if count == 0:
            return self._memory[:0]  # neither can a file be grown by nothing, nor nothing be mapped
        if self._file is None:
            self._file = temporary()
            kept, self._memory = self._memory[:start], self._memory[:0]
            if start:
                self._reserved(0, start)[:] = kept
        return self._reserved(start, count)

    def rows(self) -> npt.NDArray[Any]:
        """All rows as one array; nothing is added afterwards."""
        return self._memory[: self._rows] if self._file is None else self._mapped(0, self._rows)

    def _reserved(self, start: int, count: int) -> npt.NDArray[Any]:
        """New rows of the file."""
        assert self._file is not None
        first, size = start * self._dtype.itemsize, count * self._dtype.itemsize
        _leave_room(self._file, size)
        with no_room():
            os.posix_fallocate(self._file.fileno(), first, size)  # a full disk says so here, not as a bus error
        return self._mapped(start, count)

    def _mapped(self, start: int, count: int) -> npt.NDArray[Any]:
        """Rows of the file."""
        assert self._file is not None
        first, size = start * self._dtype.itemsize, count * self._dtype.itemsize
        skip = first % mmap.ALLOCATIONGRANULARITY
        with no_room():
            mapped = mmap.mmap(self._file.fileno(), size + skip, offset=first - skip)
        return np.frombuffer(mapped, self._dtype, offset=skip)
