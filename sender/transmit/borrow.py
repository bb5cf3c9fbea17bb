"""Arrays that kernels hand to each other without counting references, which costs two atomic operations a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
from numba.core import cgutils, imputils
from numba.extending import intrinsic
from numba.np import arrayobj

_NUMBA: Any = arrayobj  # numba's own annotations leave these functions out
_ARGUMENTS: Any = imputils
_BUILDING: Any = cgutils


def _plain(array: Any) -> Any:
    """The same for plain Python, when numba is told not to compile."""
    return array


def _without_owner(_context: Any, array: Any) -> Any:
    """For numba: the array's memory, without the object that keeps it alive."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = _NUMBA.make_array(signature.return_type)(context, builder, arguments[0])
        for owner in ("meminfo", "parent"):
            setattr(view, owner, _BUILDING.get_null_value(getattr(view, owner).type))
        return _ARGUMENTS.impl_ret_borrowed(context, builder, signature.return_type, view._getvalue())

    return array(array), generate


borrowed: Callable[[Any], Any] = (
    _plain if getattr(numba.config, "DISABLE_JIT", 0) else cast("Callable[[Any], Any]", intrinsic(_without_owner))
)
"""An array for use within the kernel that was called with it: its caller keeps the memory alive meanwhile."""
