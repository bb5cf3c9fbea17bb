"""Compiled kernels: one decorator for all, with a cache that can neither go stale nor be written by others.

numba keys its cache by the file of a kernel, not by the files of the kernels that it inlines. The cache directory
therefore carries a digest of every source file that holds kernels: a change anywhere is a new directory.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PACKAGES = ("capture", "replay", "transmit")


def _digest() -> str:
    """Digest of every source file that may hold a kernel."""
    digest = hashlib.blake2b(digest_size=8)
    here = Path(__file__).parent
    for package in _PACKAGES:
        for source in sorted((here / package).glob("*.py")):
            digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()


def _private(directory: Path) -> bool:
    """Whether nobody but this user and root may write to the directory or swap a parent of it."""
    for part in (directory, *directory.parents):
        status = part.stat()
        if status.st_uid not in (0, os.geteuid()):
            return False
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
            return False
    return directory.stat().st_uid == os.geteuid()


def cache_directory() -> Path | None:
    """The directory for compiled kernels of this user and this source, made if need be; None where none is safe."""
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    directory = home / ".cache" / "gryphon" / f"kernels-{_digest()}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory if _private(directory) else None
    except OSError:
        return None


def forget_old_caches(keep: int = 3) -> None:
    """Remove the caches of earlier versions of the source, but for the newest."""
    directory = cache_directory()
    if directory is None:
        return
    others = sorted(directory.parent.glob("kernels-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [path for path in others if path != directory][keep:]:
        shutil.rmtree(old, ignore_errors=True)


def _decorator() -> Callable[[Callable[..., Any]], Any]:
    """numba's decorator, caching where that is safe."""
    directory = cache_directory()
    if directory is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(directory)
    import numba

    if directory is not None:
        numba.config.CACHE_DIR = str(directory)
    decorator: Callable[[Callable[..., Any]], Any] = numba.njit(
        cache=directory is not None, nogil=True, error_model="numpy"
    )
    return decorator


kernel = _decorator()
"""Compile a function of numbers and arrays; NUMBA_DISABLE_JIT=1 leaves it plain Python."""
