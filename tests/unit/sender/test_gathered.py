"""Kernels that kernels call are parts of those that Python calls, whichever way they are reached."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gryphon.sender import compiled, gathered
from gryphon.sender.compiled import inlined, inner, kernel

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="NUMBA_DISABLE_JIT leaves nothing to compile"
)

_cached, compiled.cache_directory = compiled.cache_directory, lambda package: None  # type: ignore[assignment]
"""The kernels below are compiled by every run of these tests: out of a cache nothing would be seen of it."""


@inner
def _twice(number: int) -> int:
    return 2 * number


@inlined
def _eight_times(number: int) -> int:
    return 2 * _twice(_twice(number))


@kernel
def _nine_times(number: int) -> int:
    return _eight_times(number) + number


@inner
def _refuse(number: int) -> int:
    if number < 0:
        raise ValueError("less than nothing")
    return _twice(number)


@kernel
def _checked(numbers: Any) -> int:
    total = 0
    for number in numbers:
        total += _refuse(number) + _nine_times(3)
    return total


compiled.cache_directory = _cached


def test_a_kernel_serves_python_and_kernels_alike() -> None:
    assert _nine_times(5) == 45
    assert _checked(np.array([1, 2])) == 6 + 54
    assert _nine_times(7) == 63


def test_a_fault_of_a_part_comes_with_its_words() -> None:
    with pytest.raises(ValueError, match="less than nothing"):
        _checked(np.array([-1]))


def test_constants_make_no_kernels_of_their_own() -> None:
    _nine_times(5)
    _checked(np.array([1]))
    assert len(_twice.signatures) == 1  # type: ignore[attr-defined]


def test_parts_have_no_machine_code_and_wholes_have() -> None:
    _nine_times(5)
    kinds = {}
    for dispatcher in (_twice, _nine_times):
        (result,) = dispatcher.overloads.values()  # type: ignore[attr-defined]
        kinds[dispatcher] = type(result.library), result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    assert kinds[_twice] == (gathered._Part, 0)
    assert kinds[_nine_times][0] is gathered._Whole
    assert kinds[_nine_times][1] != 0


def test_a_whole_kernel_comes_back_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(
        "from gryphon.sender.compiled import inner, kernel\n"
        "@inner\n"
        "def part(n):\n"
        "    if n < 0:\n"
        "        raise ValueError('negative')\n"
        "    return n + 1\n"
        "@kernel\n"
        "def whole(n):\n"
        "    return part(n) + part(1)\n"
    )
    code = (
        "from pathlib import Path\n"
        "from gryphon.sender import compiled\n"
        f"compiled.cache_directory = lambda package: Path({str(tmp_path)!r})\n"
        "import sample\n"
        "print(sample.whole(2), *sample.whole.stats.cache_hits.values(), len(sample.part.overloads))\n"
        "try:\n"
        "    sample.whole(-5)\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        for _ in range(2)
    ]
    assert said == ["5 1\nnegative\n", "5 1 0\nnegative\n"]


def test_kernels_of_numba_itself_are_none_of_ours() -> None:
    """What is patched are our kernels' own dispatchers, nothing that others compile with."""
    import numba

    plain = numba.njit(lambda number: number + 1)
    assert plain(1) == 2
    (result,) = plain.overloads.values()
    assert not isinstance(result.library, (gathered._Part, gathered._Whole))
    assert compiled.int64(3) == 3
