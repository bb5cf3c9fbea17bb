"""The reader under test, built so that it tells of what it does wrong: never the build that users run.

Neither numba nor numpy takes a negative index for a mistake, they count it from the end. Here both refuse it.
A build is chosen before the first kernel is imported, in a process of its own.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gryphon.sender import compiled

Load = Callable[..., Any]

_BATCHES = ("BATCH", "_BATCH")


def checked(cache: Path) -> Load:
    """Compiled kernels with bounds checks; the environment must have NUMBA_BOUNDSCHECK=1 from the start.

    The checks are in the machine code, and the digest that names a cache is of the source alone: so these
    kernels have a directory of their own, or users would run them, and the fuzzer theirs.
    """
    import numba
    import numba.np.arrayobj as arrays
    from numba import types

    if not numba.config.BOUNDSCHECK or numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise RuntimeError("the bounds checks of numba are off: set NUMBA_BOUNDSCHECK=1 before Python starts")

    def unwrapped(context: Any, builder: Any, idxty: Any, idx: Any, size: Any) -> Any:
        return context.cast(builder, idx, idxty, types.intp if idxty.signed else types.uintp)

    arrays.fix_integer_index = unwrapped  # what is still negative then is out of bounds
    compiled.cache_directory = functools.partial(_own_cache, cache)  # type: ignore[assignment]
    return _load()


def _own_cache(cache: Path, package: Path) -> Path:
    directory = cache / compiled._digest(package)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


class Strict(np.ndarray):
    """An array without negative indexes."""

    def __getitem__(self, key: Any) -> Any:
        _refuse(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _refuse(key)
        super().__setitem__(key, value)


def _refuse(key: Any) -> None:
    if type(key) is tuple:
        for part in key:
            _refuse(part)
    elif isinstance(key, int | np.integer) and key < 0:
        raise IndexError(f"negative index {key}")


def plain() -> Load:
    """Kernels as plain Python on Strict arrays; the environment must have NUMBA_DISABLE_JIT=1 from the start."""
    import numba

    if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise RuntimeError("the kernels would be compiled: set NUMBA_DISABLE_JIT=1 before Python starts")
    compiled._compile = _strict  # type: ignore[assignment]
    return _load()


def _strict(function: Callable[..., Any], from_python: bool, inline: bool = False) -> Callable[..., Any]:
    if not from_python:
        return function  # called with what a strict kernel was called with

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return function(*(value.view(Strict) if type(value) is np.ndarray else value for value in arguments))

    return call


def _load() -> Load:
    if "gryphon.sender.capture.load" in sys.modules:
        raise RuntimeError("the reader was imported before its build was chosen")
    from gryphon.sender.capture.load import load

    return load  # type: ignore[return-value]


_usual: dict[tuple[ModuleType, str], int] = {}
_now: list[int | None] = [None]


def set_batches(size: int | None) -> None:
    """Let the reader take ``size`` frames at once (None: as many as for users), so that small files have borders.

    Small ones are faster, too: most of the time of a small file is spent on clearing the room for large ones.
    """
    if not _usual:
        readers = [module for name, module in sys.modules.items() if name.startswith("gryphon.sender.capture.")]
        places = [(module, name) for module in readers for name in _BATCHES if hasattr(module, name)]
        _usual.update({(module, name): getattr(module, name) for module, name in places})
    if size != _now[0]:
        _now[0] = size
        for (module, name), usual in _usual.items():
            setattr(module, name, usual if size is None else size)
        arena = sys.modules.get("gryphon.sender.capture.arena")
        if arena is not None:  # which moves to a file when it is larger than this
            arena.Arena.__init__.__defaults__ = (64 * size if size and size < 10 else arena.IN_MEMORY,)
