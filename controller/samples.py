"""The payload sample: the first bytes of an answer's payload behind its record, and batches that carry samples.

A batch is one array whose items are of dtype ``sampled(n)``: a ``RECORD``, then n bytes of which the record's
``sample_length`` are payload and the rest is zero. A ring and a channel have one n each; with 0 it is ``RECORD``.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.controller.record import PLAIN, RECORD, Records

STEP = 8
"""A sample is a multiple of it, since the kernel's ring rounds every record up to that."""
MOST = 1024
"""Bytes of the largest sample."""

Samples = npt.NDArray[np.uint8]
"""The samples of a batch, one row each, (records, n)."""


def check_sample(sample: int) -> int:
    """A sample that an intercept can take; InputFault when it cannot."""
    if not 0 <= sample <= MOST or sample % STEP:
        raise InputFault(f"a payload sample has 0 to {MOST} bytes, a multiple of {STEP}, not {sample}")
    return sample


def rounded(needed: int) -> int:
    """The smallest sample that has the bytes needed."""
    return -(-needed // STEP) * STEP


@functools.cache
def sampled(sample: int) -> np.dtype[np.void]:
    """A record with that many bytes of sample."""
    return np.dtype([*RECORD.descr, ("sample", "u1", (sample,))]) if sample else RECORD


def whole(records: Records) -> npt.NDArray[np.void]:
    """The batch as bytes without fields (``record.PLAIN`` says why)."""
    return records.view(np.dtype((np.void, records.dtype.itemsize)))


def sample_of(records: Records) -> int:
    """Bytes of sample behind each record of a batch."""
    return records.dtype.itemsize - RECORD.itemsize


def cut(records: Records, sample: int) -> Records:
    """The batch with at most ``sample`` bytes behind each record; itself when it has no more."""
    rest = sample_of(records) - sample
    if rest <= 0:
        return records
    parts = np.dtype([("kept", np.void, RECORD.itemsize + sample), ("rest", np.void, rest)])
    shorter: Records = records.view(parts)["kept"].copy().view(sampled(sample))
    lengths = shorter["sample_length"]
    np.minimum(lengths, np.uint32(sample), out=lengths)
    return shorter


def apart(records: Records) -> tuple[Records, Samples]:
    """Records without samples, contiguous, and the samples; without any, the batch itself and rows of no bytes."""
    sample = sample_of(records)
    if not sample:
        return records, np.zeros((len(records), 0), np.uint8)
    parts = records.view(np.dtype([("record", PLAIN), ("sample", np.void, sample)]))
    return parts["record"].copy().view(RECORD), parts["sample"].copy().view(np.uint8).reshape(-1, sample)
