"""Compiles a test's own function that calls the engine's kernels: plain numba does not take those in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from gryphon.sender.gathered import Gathering

whole: Callable[[Any], Any] = numba.njit(pipeline_class=Gathering)
"""As ``gryphon.sender.compiled.kernel``, without a cache."""
