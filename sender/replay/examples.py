"""The first users that met each kind of trouble, so that a person can find them in the server's log."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import EXAMPLE, Core, byte_at, example_at, session_of
from gryphon.sender.replay.measures import FAILURES

BEGINS = 32
"""First bytes of an answer that an example holds."""

EACH = 5
"""Examples that are kept of each kind."""

KINDS = (*FAILURES, "other_size", "other_content")
"""Kinds of trouble: the failures in the order of their counters, then what is no failure."""

OTHER_SIZE = len(FAILURES)
"""The kind of an answer of another size than recorded."""

OTHER_CONTENT = OTHER_SIZE + 1
"""The kind of an answer that began otherwise than recorded."""


def new_examples() -> npt.NDArray[Any]:
    """Room for EACH rows of every kind, one kind after the other; ``used`` tells which of them hold something."""
    return np.zeros(len(KINDS) * EACH, EXAMPLE).view(np.recarray)


@inner
def keep_example(core: Core, kind: int, row: int, user: Any, now: int, wanted: int, got: int) -> int:
    """Remember a user, unless EACH of its kind are known already; the place of the example, or -1."""
    for place in range(kind * EACH, (kind + 1) * EACH):
        example = example_at(core.examples, place)
        if not example.used:
            example.used = 1
            example.row = row
            example.loop = user.loop
            example.message = int64(user.message) - int64(session_of(core).first)
            example.time_us = now
            example.wanted = wanted
            example.got = got
            return place
    return -1


@inner
def keep_content(core: Core, row: int, user: Any, now: int) -> None:
    """Remember a user whose answer begins with the present sample, and how that begins."""
    place = keep_example(core, OTHER_CONTENT, row, user, now, 0, 0)
    if place >= 0:
        example = example_at(core.examples, place)
        example.seen = min(core.sample_length - core.sample_skip, BEGINS)
        for i in range(int64(example.seen)):
            example.begins[i] = byte_at(core.samples, core.sample_at + core.sample_skip + i).value
