"""A capture file to its bytes in memory: mapped where it lies, or unpacked or copied into an unlinked file.

Compressed files are known by their first bytes, whatever their names; a pipe and standard input (``-``) are read
to their end first, since reassembly goes back and forth.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import logging
import lzma
import mmap
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.arena import Arena
from gryphon.sender.capture.columns import Data

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told the bytes of the files that were read, and how many there are (0: not known)."""

_CHUNK = 1 << 20
_LARGEST_WINDOW = 1 << 27  # of zstd, its command's own limit: a frame may ask for as much memory as it likes
_LARGEST_XZ = (1 << 27) + (1 << 24)  # with a dictionary of that size; xz -9 needs half


class _Stream(Protocol):
    """What every unpacker offers: at most one read of what is behind it, so that nothing is lost by an error."""

    def read1(self, size: int = -1, /) -> bytes: ...


class _Xz:
    """As lzma.LZMAFile, which lets a file ask for 4 GiB of dictionary."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = lzma.LZMADecompressor(memlimit=_LARGEST_XZ)

    def read1(self, size: int = -1, /) -> bytes:
        while True:
            packed = b""
            if self._unpacker.eof:  # another stream may follow, behind zeros
                packed = (self._unpacker.unused_data or self._file.read(_CHUNK)).lstrip(b"\0")
                if not packed:
                    return b""
                self._unpacker = lzma.LZMADecompressor(memlimit=_LARGEST_XZ)
            elif self._unpacker.needs_input:
                packed = self._file.read(_CHUNK)
                if not packed:
                    raise EOFError("it ends too early")
            chunk = self._unpacker.decompress(packed, size)
            if chunk:
                return chunk


def _zstd(file: BinaryIO) -> _Stream:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(file, read_across_frames=True)
    return cast(_Stream, reader)


def _lz4(file: BinaryIO) -> _Stream:
    import lz4.frame

    return cast(_Stream, lz4.frame.LZ4FrameFile(file))


_UNPACKERS: dict[bytes, tuple[str, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"\xfd7zXZ\0": ("xz", _Xz),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
    b"\x04\x22\x4d\x18": ("lz4", _lz4),
    b"BZh": ("bzip2", bz2.BZ2File),
}
"""First bytes of a compressed file: the format, and what unpacks it."""

_HEAD = 6
_STAYS = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4  # bytes of a map that is kept as it is


class _Behind(io.RawIOBase):
    """What a pipe gives, with the bytes that were read from it to know its kind in front again."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._head[: len(buffer)] or self._rest.read1(len(buffer))  # type: ignore[attr-defined]
        self._head = self._head[len(chunk) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def map_file(path: str, progress: Progress | None = None) -> Data:
    """The whole content, read only, ``-`` for standard input.

    InputFault when it cannot be opened, is empty, or is compressed and nothing of it can be unpacked.
    EnvironmentFault when there is no room to unpack it.
    """
    path, given = ("standard input", path) if path == "-" else (path, path)
    with _in_words(path), _open(given) as file:
        status = os.fstat(file.fileno())
        regular = stat.S_ISREG(status.st_mode)
        _check_kind(path, status.st_mode)
        head = file.read(_HEAD)
        if not head:
            raise InputFault(f"{path} is empty, not a capture file")
        known = next((each for magic, each in _UNPACKERS.items() if head.startswith(magic)), None)
        if regular and known is None:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        if regular:
            file.seek(0)
        else:
            file = cast(BinaryIO, io.BufferedReader(_Behind(head, file), _CHUNK))
        return _unpacked(path, file, known, status.st_size if regular else 0, progress)


def check_readable(paths: Iterable[str]) -> None:
    """Find out in a moment what would be found out after seconds of compiling. InputFault as ``map_file``."""
    for path in paths:
        with _in_words(path):
            if path != "-" and not stat.S_ISFIFO(Path(path).stat().st_mode):  # opening a pipe takes from it
                with _open(path) as file:
                    _check_kind(path, os.fstat(file.fileno()).st_mode)


def _check_kind(path: str, mode: int) -> None:
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise InputFault(f"{path} is not a file; give a capture that tcpdump has written")


@contextlib.contextmanager
def _in_words(path: str) -> Iterator[None]:
    """What keeps a file from being opened or read, as one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise InputFault(f"no capture file {path}") from None
    except IsADirectoryError:
        raise InputFault(f"{path} is a directory, not a capture file") from None
    except PermissionError:
        raise InputFault(f"no permission to read the capture file {path}") from None
    except OSError as error:
        raise InputFault(f"cannot read the capture file {path}: {error.strerror}") from None


def _open(path: str) -> BinaryIO:
    if path != "-":
        return Path(path).open("rb")
    if sys.stdin is None or sys.stdin.closed:
        raise InputFault("standard input is closed: pipe a capture into it, or name a file instead of -")
    if os.isatty(0):
        raise InputFault("standard input is a terminal: pipe a capture into it, or name a file instead of -")
    return open(0, "rb", closefd=False)


def _unpacked(
    path: str,
    file: BinaryIO,
    known: tuple[str, Callable[[BinaryIO], Any]] | None,
    size: int,
    progress: Progress | None,
) -> Data:
    """Everything that comes out of a compressed file or a pipe; what can be had of it when it is damaged."""
    import zstandard

    content = Arena(np.uint8)
    name, unpacker = known or ("", None)
    stream = cast(_Stream, unpacker(file) if unpacker else file)
    damages = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile, RuntimeError, ValueError)
    try:
        while chunk := stream.read1(_CHUNK):
            content.append(np.frombuffer(chunk, np.uint8))
            if progress is not None and size:
                progress(file.tell(), size)
    except (*damages, OSError) as error:
        if unpacker is None or (not isinstance(error, damages) and error.errno is not None):
            raise
        why = f"{path} is damaged: {name} cannot unpack it beyond offset {file.tell() if size else len(content)}"
        if not len(content):
            raise InputFault(f"{why} ({error})") from None
        _log.warning("%s; the %d bytes before that are read", why, len(content))
    if not len(content):
        raise InputFault(f"{path} is empty, not a capture file")
    return content.rows()


def forget(data: Data) -> None:
    """Let go of the pages of a map that were read, so that a capture larger than the memory does not fill it.

    They stay in the page cache as long as there is room, but to map them again costs a fifth of all the time of
    reading. So a capture that fits well into memory stays mapped; the kernel takes its pages when it is short of them.
    """
    if len(data) <= _STAYS:
        return
    mapped = data.base.obj if isinstance(data.base, memoryview) else data.base
    if isinstance(mapped, mmap.mmap):
        mapped.madvise(mmap.MADV_DONTNEED)
