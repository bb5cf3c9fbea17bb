"""Batches with payload samples, cut to what a run needs and taken apart: each record keeps its own."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import records_of

from gryphon.controller.errors import InputFault
from gryphon.controller.record import RECORD
from gryphon.controller.samples import apart, check_sample, cut, rounded, sampled
from gryphon.controller.split import Share


def numbers(samples: np.ndarray) -> list[int]:
    """What each sample begins with: its record's number."""
    return [int.from_bytes(bytes(sample[:4]), "little") for sample in samples]


@pytest.mark.parametrize("sample", [0, 8, 24, 256, 1024])
def test_a_sampled_record_is_the_record_with_so_many_bytes_behind_it(sample: int) -> None:
    kind = sampled(sample)
    assert kind.itemsize == RECORD.itemsize + sample
    for name, (field, offset, *_) in (RECORD.fields or {}).items():
        assert (kind.fields or {})[name][:2] == (field, offset)


@pytest.mark.parametrize("sample", [8, 64, 256])
def test_apart_gives_contiguous_records_and_a_row_for_each(sample: int) -> None:
    batch = records_of(1, 100, sample=sample)
    records, samples = apart(batch)
    assert (records.dtype, samples.dtype, samples.shape) == (RECORD, np.uint8, (100, sample))
    assert records.flags.c_contiguous
    assert samples.flags.c_contiguous
    assert records["seq"].tolist() == numbers(samples) == list(range(100))
    assert samples[7, 4:].tolist() == list(range(4, sample))


def test_apart_without_samples_copies_nothing_and_gives_rows_of_no_bytes() -> None:
    batch = records_of(1, 3)
    records, samples = apart(batch)
    assert records is batch
    assert samples.shape == (3, 0)


def test_a_cut_shortens_samples_and_what_is_said_of_them() -> None:
    batch = records_of(1, 3, sample=64)
    batch["sample_length"] = [64, 10, 0]
    shorter = cut(batch, 16)
    assert shorter.dtype == sampled(16)
    assert shorter["sample_length"].tolist() == [16, 10, 0]
    assert numbers(shorter["sample"]) == shorter["seq"].tolist() == [0, 1, 2]
    assert batch["sample_length"].tolist() == [64, 10, 0]


def test_a_cut_to_nothing_is_plain_records() -> None:
    shorter = cut(records_of(1, 3, sample=64), 0)
    assert shorter.dtype == RECORD
    assert shorter["sample_length"].tolist() == [0, 0, 0]


def test_a_share_picks_its_records_with_their_samples() -> None:
    mixed = np.concatenate([records_of(2, 3, sample=64), records_of(1, 4, sample=64), records_of(2, 2, sample=64)])
    mine = Share(2, [0], 8).of(mixed)
    assert mine.dtype == sampled(8)
    assert numbers(mine["sample"]) == mine["seq"].tolist() == [0, 1, 2, 0, 1]
    assert Share(1, [0], 64).of(mixed)["seq"].tolist() == [0, 1, 2, 3]


def test_a_need_is_rounded_up() -> None:
    assert [rounded(needed) for needed in (0, 1, 8, 9, 250)] == [0, 8, 8, 16, 256]


@pytest.mark.parametrize("sample", [-8, 1, 12, 1025, 1032])
def test_a_sample_that_the_ring_cannot_have_is_refused(sample: int) -> None:
    with pytest.raises(InputFault, match="0 to 1024 bytes, a multiple of 8"):
        check_sample(sample)
    assert check_sample(0) == 0
    assert check_sample(1024) == 1024
