"""How the loops over packets are compiled: the same rules for every kernel of this package.

With NUMBA_DISABLE_JIT=1 the kernels run as plain Python: numbers out of unsigned columns are made
``np.int64`` before any arithmetic, and no sum may leave 63 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

_F = TypeVar("_F", bound=Callable[..., Any])


def kernel(function: _F) -> _F:
    """Compile once and keep it for the next run; let other Python threads (the live view) go on meanwhile."""
    return cast(_F, numba.njit(cache=True, nogil=True)(function))


i64: Callable[..., int] = np.int64  # type: ignore[assignment]
"""For numbers out of columns: numba and plain Python compute with it alike, and the checker takes it for an int."""
