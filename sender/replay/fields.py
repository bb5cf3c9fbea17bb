"""Per-user fields: which bytes of a session's stream are another for each user and loop, and what they become.

The script's arena holds the recorded bytes, padded or cut to the field's width; ``personalise`` writes the user's own
into a copy of each segment that carries some. A value depends on rule, row and loop alone, so that a retransmission
says what the segment said. With several engines the row is the number of the user in the whole run.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


class Kind(enum.IntEnum):
    """Where a field's value comes from."""

    USER = 0  # first + row
    COUNTER = 1  # first + loop x users + row
    RANDOM = 2  # letters of an alphabet, by a hash of (seed, rule, row, loop)
    CSV = 3  # value (loop x users + row) mod values
    EXTRACT = 4  # what an answer has given this user


FIELD = np.dtype(
    [
        ("first", "i8"),  # added to a number
        ("texts", "i8"),  # where in Fields.texts its values begin, each as wide as the field; or its alphabet
        ("text_count", "i8"),  # how many values, or letters of the alphabet
        ("start", "u4"),  # offset of its first byte in the session's stream
        ("width", "u4"),  # bytes, at least 1
        ("rule", "u4"),  # number of its rule: every place of a rule has the same random text
        ("slot", "u2"),  # EXTRACT: index into Fields.slots
        ("kind", "u1"),  # Kind
        ("pad", "u1"),  # byte that fills what the value leaves
        ("right", "u1"),  # the value stands at the field's end, not at its beginning
    ],
    align=True,
)
"""One field of one session; those of a session stand together, by their start, and do not overlap."""

SLOT = np.dtype(
    [
        ("offset", "u4"),  # in a user's row of values: one byte that says how many bytes the value has, then the value
        ("most", "u4"),  # bytes that are kept of it
    ],
    align=True,
)
"""One value that answers give to each user."""

LONGEST_EXTRACT = 255
"""Bytes of a value out of an answer: its length is one byte."""

SCRATCH_ALIGN = 64


def scratch_bytes(batch: int, mtu: int) -> int:
    """What the arena's tail must have for the copies of one batch: never more than a packet for each."""
    return batch * (mtu + 8)


def slots(most: list[int]) -> npt.NDArray[Any]:
    """Slots (dtype SLOT) for values of at most so many bytes each."""
    laid = np.zeros(len(most), SLOT)
    laid["most"] = most
    laid["offset"][1:] = np.cumsum(laid["most"] + 1)[:-1]
    return laid


@dataclass(frozen=True)
class Fields:
    """Every field of a script.

    Attributes:
        first, count: per session of the script, index of its first field and how many it has.
        rows: the fields, dtype FIELD.
        texts: values of CSV columns and alphabets, as FIELD refers to them.
        slots: dtype SLOT, one for each value that answers give.
        scratch: offset in the script's payload from which on segments are copied and patched.
    """

    first: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    count: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    rows: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, FIELD))
    texts: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    slots: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, SLOT))
    scratch: int = 0

    @property
    def stride(self) -> int:
        """Bytes of values that every user has."""
        return int((self.slots["most"] + 1).sum())
