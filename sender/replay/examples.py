"""The first users that met each kind of trouble, so that a person can find them in the server's log."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import EXAMPLE, Core, example_at, session_of
from gryphon.sender.replay.measures import FAILURES

EACH = 5
"""Examples that are kept of each kind."""

KINDS = (*FAILURES, "mismatched")
"""Kinds of trouble: the failures in the order of their counters, then what is no failure."""

MISMATCHED = len(FAILURES)
"""The kind of an answer of another size than recorded."""


def new_examples() -> npt.NDArray[Any]:
    """Room for EACH rows of every kind, one kind after the other; ``used`` tells which of them hold something."""
    return np.zeros(len(KINDS) * EACH, EXAMPLE).view(np.recarray)


@inner
def keep_example(core: Core, kind: int, row: int, user: Any, now: int, wanted: int, got: int) -> None:
    """Remember a user, unless EACH of its kind are known already."""
    for place in range(kind * EACH, (kind + 1) * EACH):
        example = example_at(core.examples, place)
        if not example.used:
            example.used = 1
            example.row = row
            example.loop = user.loop
            example.message = int64(user.message) - int64(session_of(core, row).first)
            example.time_us = now
            example.wanted = wanted
            example.got = got
            return
