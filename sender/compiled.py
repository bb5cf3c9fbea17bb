"""Compiled kernels: one decorator for all, with a cache that can neither go stale nor be written by others.

numba keys its cache by the file of a kernel, not by the files of the kernels that it inlines. The cache directory
therefore carries a digest of the package's every source file: a change anywhere in it is a new directory.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from gryphon.controller.private import private_directory

_F = TypeVar("_F", bound=Callable[..., Any])


def _digest(package: Path) -> str:
    """Digest of every source file of a package: its kernels may inline each other, but none of another package.

    numba knows a kernel again by its file's path and time of change: those are in the digest, too, so that a cache
    that was filled for another checkout of the same source is not taken for this one's.
    """
    digest = hashlib.blake2b(str(package.resolve()).encode(), digest_size=8)
    for source in sorted(package.glob("*.py")):
        digest.update(f"{source.name} {source.stat().st_mtime_ns} ".encode() + source.read_bytes())
    return f"{package.name}-{digest.hexdigest()}"


@functools.cache
def cache_directory(package: Path) -> Path | None:
    """Where this user keeps the compiled kernels of a package's present source, made if need be; None: nowhere safe."""
    return private_directory(_digest(package))


def forget_old_caches(package: Path, keep: int = 4) -> None:
    """Remove the caches of earlier versions of a package's source, but for the newest."""
    directory = cache_directory(package)
    if directory is None:
        return
    others = [path for path in directory.parent.glob(f"{package.name}-*") if path != directory]
    for old in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[keep:]:
        shutil.rmtree(old, ignore_errors=True)


def _compile(function: _F, from_python: bool, inline: bool = False) -> _F:
    """numba's dispatcher for a function, caching where that is safe: what Python calls has all that it calls in it."""
    import numba

    from gryphon.sender import gathered

    directory = cache_directory(Path(inspect.getfile(function)).parent) if from_python else None
    if directory is not None:
        # read by numba when the dispatcher is made, hence per kernel
        numba.config.CACHE_DIR = str(directory)  # type: ignore[attr-defined]
    options: dict[str, Any] = {
        "cache": directory is not None,
        "nogil": True,
        "error_model": "numpy",
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": not from_python,
        "forceinline": inline,
        "pipeline_class": gathered.Gathering,
    }
    dispatcher = numba.njit(**options)(function)
    if not from_python and dispatcher is not function:
        _take_any_number(dispatcher)
    return cast(_F, dispatcher)


def _take_any_number(part: Any) -> None:
    """Compile a kernel once for all integers, not for each constant that a call has: optimisation puts those in."""
    from numba.core import types

    template = part.get_call_template
    unliteral: Callable[[Any], Any] = types.unliteral

    def plain(arguments: Any, named: Any) -> Any:
        return template(tuple(map(unliteral, arguments)), {name: unliteral(kind) for name, kind in named.items()})

    part.get_call_template = plain


def _for_both(function: _F, inline: bool = False) -> _F:
    """A kernel for Python, and another one for the kernels that call it; each is compiled when it is called."""
    dispatcher: Any = _compile(function, from_python=True, inline=inline)
    if hasattr(dispatcher, "get_call_template"):  # else it is plain Python, numba's or that of the fuzzer
        part: Any = _compile(function, from_python=False, inline=inline)
        dispatcher.get_call_template, dispatcher.get_overload = part.get_call_template, part.get_overload
    return cast(_F, dispatcher)


def kernel(function: _F) -> _F:
    """Compile a function of numbers and arrays at its first call; NUMBA_DISABLE_JIT=1 leaves it plain Python."""
    return _for_both(function)


def inner(function: _F) -> _F:
    """A kernel that only kernels call."""
    return _compile(function, from_python=False)


def inlined(function: _F) -> _F:
    """A kernel whose code goes into every kernel that calls it: an array as an argument takes seven moves a call."""
    return _for_both(function, inline=True)


int64: Callable[[Any], int] = np.int64  # type: ignore[assignment]
"""A signed number out of an unsigned field: numba turns unsigned with signed 64-bit numbers into floats."""
