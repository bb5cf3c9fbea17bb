"""Percentiles are HdrHistogram's own, and its encoding carries and merges them without loss."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from facts import counts_of
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.measures import HISTOGRAM_BUCKETS, HISTOGRAM_MAX
from gryphon.sender.results.histogram import (
    BUCKETS,
    HIGHEST,
    PERCENTILES,
    decode,
    describe,
    encode,
    highest_value,
    maximum,
    merge,
    percentile,
    to_hdr,
)

values_us = st.lists(st.integers(0, HISTOGRAM_MAX) | st.integers(0, 5000), min_size=1, max_size=60)


def test_the_layout_is_the_engines() -> None:
    assert (BUCKETS, HIGHEST) == (HISTOGRAM_BUCKETS, HISTOGRAM_MAX)
    assert HdrHistogram(1, HIGHEST, 3).counts_len == BUCKETS


@settings(deadline=None)  # the first example compiles
@given(values_us)
def test_counts_and_percentiles_equal_those_of_the_library(values: list[int]) -> None:
    library = HdrHistogram(1, HIGHEST, 3)
    for value in values:
        library.record_value(value)
    counts = counts_of(values)
    assert counts.tolist() == list(library.counts)
    for percent in (*PERCENTILES.values(), 1.0, 75.0, 100.0):
        assert percentile(counts, percent) == library.get_value_at_percentile(percent)
    assert maximum(counts) == library.get_max_value()
    ours = to_hdr(counts)
    assert ours.get_total_count() == len(values)
    assert ours.get_max_value() == library.get_max_value()
    assert ours.get_min_value() == library.get_min_value()


def test_the_bounds_of_every_bucket_are_those_of_the_library() -> None:
    library = HdrHistogram(1, HIGHEST, 3)
    for bucket in (0, 1, 1023, 1024, 2047, 2048, 3071, 3072, 9999, BUCKETS - 1):
        value = library.get_value_from_index(bucket)
        assert highest_value(bucket) == library.get_highest_equivalent_value(value)


@settings(deadline=None)
@given(values_us)
def test_the_encoding_is_read_by_the_library_and_by_us(values: list[int]) -> None:
    counts = counts_of(values)
    decoded = HdrHistogram.decode(encode(counts).encode())
    assert decoded.get_total_count() == len(values)
    assert decoded.get_value_at_percentile(99) == percentile(counts, 99)
    assert (decode(encode(counts)) == counts).all()


@settings(deadline=None)
@given(st.lists(values_us, max_size=4))
def test_merged_results_equal_one_histogram_of_all_values(parts: list[list[int]]) -> None:
    merged = merge(encode(counts_of(part)) for part in parts)
    assert (merged == counts_of(value for part in parts for value in part)).all()


def test_nothing_measured_is_null_and_not_zero() -> None:
    row = describe(counts_of([]))
    assert row.pop("hdr") == encode(np.zeros(BUCKETS, np.int64))
    assert row == {"count": 0, "p50": None, "p90": None, "p99": None, "p999": None, "max": None}


def test_a_row_is_in_milliseconds() -> None:
    row = describe(counts_of([1000, 1500, 2000]))
    assert (row["count"], row["p50"], row["max"]) == (3, 1.5, 2.0)


@pytest.mark.parametrize("text", ["", "hello", base64.b64encode(zlib.compress(b"x" * 80)).decode()])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(InputFault):
        decode(text)


def test_a_histogram_of_another_precision_is_refused() -> None:
    other = HdrHistogram(1, HIGHEST, 2)
    other.record_value(5)
    with pytest.raises(InputFault, match="precision"):
        decode(other.encode().decode())
