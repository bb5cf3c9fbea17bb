"""Numbers stay short and say the same."""

from __future__ import annotations

import pytest

from gryphon.sender.results import human


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234, "1,234"), (9_999_999, "9,999,999"), (12_345_678, "12.3 M"), (999_600_000, "1.00 G")],
)
def test_counts(value: int, text: str) -> None:
    assert human.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (9_999, "9,999"), (9_999.6, "10.0k"), (98_200, "98.2k"), (1_250_000, "1.25M")]
)
def test_short_counts(value: float, text: str) -> None:
    assert human.short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (1_234_567, "1.23 MB"), (10**12, "1.00 TB"), (10**16, "10 PB")],
)
def test_sizes(value: int, text: str) -> None:
    assert human.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.052, "0.052"),
        (0.9999, "1.00"),
        (1.25, "1.25"),
        (99.96, "100"),
        (312.4, "312"),
        (12500, "12,500"),
    ],
)
def test_milliseconds(value: float | None, text: str) -> None:
    assert human.milliseconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0 %"), (0.0025, "0.25 %"), (1.0, "100 %")])
def test_percentages(value: float, text: str) -> None:
    assert human.percent(value) == text
