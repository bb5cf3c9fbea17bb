"""What is wanted out of the server's bytes, as columns for the kernels: values for later messages, and times."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


class Purpose(enum.IntEnum):
    """What a rule wants."""

    VALUE = 0  # bytes for later messages of the same user
    TIME = 1  # when a message was published: how long it took is noted


WANTED = np.dtype(
    [
        ("scale", "f8"),  # TIME: microseconds of one unit
        ("after", "u4"),  # where in Wanted.texts the text begins that stands in front, and its bytes
        ("after_length", "u4"),
        ("until", "u4"),  # VALUE: the bytes that end it
        ("until_length", "u4"),
        ("message", "u4"),  # in answers to the user's message of this number, from 1; 0: to any
        ("within", "u2"),  # in so many first bytes of a segment
        ("target", "u2"),  # of this server; ANY
        ("slot", "u2"),  # VALUE: index into Fields.slots
        ("most", "u1"),  # VALUE: bytes that are kept of it
        ("purpose", "u1"),  # Purpose
    ],
    align=True,
)
"""One rule for what is looked for in the first bytes of a segment."""

ANY = 0xFFFF


@dataclass(frozen=True)
class Want:
    """One rule; the columns of WANTED in Python's terms."""

    purpose: Purpose
    after: bytes
    within: int
    target: int = ANY
    message: int = 0
    until: bytes = b""
    most: int = 0
    slot: int = 0
    unit_us: float = 1.0


@dataclass(frozen=True)
class Wanted:
    """All rules: rows of WANTED, and the texts that they point into."""

    rows: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, WANTED).view(np.recarray))
    texts: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(1, np.uint8))

    @property
    def sample(self) -> int:
        """How many first bytes of each segment the rules need."""
        return int(self.rows["within"].max(initial=0))


def compile_wanted(wants: Sequence[Want]) -> Wanted:
    """Rules as columns."""
    rows, texts = np.zeros(len(wants), WANTED), b"\0"
    for row, want in zip(rows, wants, strict=True):
        row["purpose"], row["within"], row["target"], row["message"] = (
            want.purpose,
            want.within,
            want.target,
            want.message,
        )
        row["slot"], row["most"], row["scale"] = want.slot, want.most, want.unit_us
        row["after"], row["after_length"] = len(texts), len(want.after)
        texts += want.after
        row["until"], row["until_length"] = len(texts), len(want.until)
        texts += want.until
    return Wanted(rows.view(np.recarray), np.frombuffer(texts, np.uint8).copy())
