"""Arrays that kernels hand to each other without counting references, which costs two atomic operations a call."""

from __future__ import annotations

from typing import Any, TypeVar

import numba
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_Array = TypeVar("_Array")


def _plain(array: _Array) -> _Array:
    """The same for plain Python, when numba is told not to compile."""
    return array


def _without_owner(_context: Any, array: Any) -> Any:
    """For numba: the array's memory, without the object that keeps it alive."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = make_array(signature.return_type)(context, builder, arguments[0])
        for owner in ("meminfo", "parent"):
            setattr(view, owner, cgutils.get_null_value(getattr(view, owner).type))
        return impl_ret_borrowed(context, builder, signature.return_type, view._getvalue())

    return array(array), generate


borrowed = _plain if getattr(numba.config, "DISABLE_JIT", 0) else intrinsic(_without_owner)
"""An array for use within the kernel that was called with it: its caller keeps the memory alive meanwhile."""
