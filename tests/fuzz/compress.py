"""Compressed files without a compressor for each format: where Python has none, frames of stored blocks."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable
from random import Random

_BLOCK = 1 << 14


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _gzip_members(content: bytes) -> bytes:
    half = len(content) // 2
    return _gzip(content[:half]) + _gzip(content[half:])


def _xz(content: bytes) -> bytes:
    return lzma.compress(content, preset=0)


def _pieces(content: bytes) -> list[bytes]:
    return [content[at : at + _BLOCK] for at in range(0, len(content), _BLOCK)] or [b""]


def zstd(content: bytes, run: int = 0) -> bytes:
    """A zstd frame of raw blocks (RFC 8878), then one that repeats a zero byte ``run`` times."""
    blocks = [len(piece) << 3 | 0 for piece in _pieces(content)]
    parts = [struct.pack("<I", head)[:3] + piece for head, piece in zip(blocks, _pieces(content), strict=True)]
    parts.append(struct.pack("<I", min(run, 1 << 17) << 3 | 1 << 1 | 1)[:3] + b"\0")
    return b"\x28\xb5\x2f\xfd" + bytes([0x80 | 0x20]) + struct.pack("<I", len(content) + run) + b"".join(parts)


def lz4(content: bytes) -> bytes:
    """An lz4 frame of uncompressed blocks."""
    parts = [struct.pack("<I", len(piece) | 1 << 31) + piece for piece in _pieces(content) if piece]
    return b"\x04\x22\x4d\x18\x60\x40\x82" + b"".join(parts) + bytes(4)


FORMATS: tuple[Callable[[bytes], bytes], ...] = (_gzip, _gzip, _gzip_members, _xz, bz2.compress, zstd, lz4)


def compressed(rng: Random, content: bytes) -> bytes:
    """The content as a compressed file, one in ten of them twice."""
    packed = rng.choice(FORMATS)(content)
    return rng.choice(FORMATS)(packed) if rng.random() < 0.1 else packed
