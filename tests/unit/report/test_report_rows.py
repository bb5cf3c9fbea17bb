"""A long series becomes as many points as there is room for, and neither a count nor a peak is lost."""

from __future__ import annotations

import csv
import io

import pytest
from made import Sender

from gryphon.sender.report.rows import thin
from gryphon.sender.report.table import to_csv


@pytest.mark.parametrize(("seconds", "most"), [(1, 10), (10, 10), (11, 10), (99, 10), (100, 10), (101, 7)])
def test_rows_stay_few_and_add_up(seconds: int, most: int) -> None:
    rows = Sender().seconds(seconds, failing=True).series.rows()
    thinned = thin(rows, most)
    assert len(thinned) <= most
    for name in ("started", "failed", "bytes_sent", "mismatched", "step_s"):
        assert sum(row[name] for row in thinned) == pytest.approx(sum(row[name] for row in rows))
    for name in ("active", "p99_ms", "late_max_ms"):
        assert max(row[name] for row in thinned) == max(row[name] for row in rows)
    assert sum(sum(row["failed_by"].values()) for row in thinned) == sum(row["failed"] for row in rows)
    assert thinned[-1]["time_s"] == rows[-1]["time_s"]


def test_a_last_step_too_short_for_a_rate_joins_the_one_before() -> None:
    rows = Sender().seconds(3).seconds(1, step=0.1).series.rows()
    assert [row["step_s"] for row in thin(rows, 100)] == [1, 1, 1.1]


def test_of_no_rows_none_are_made() -> None:
    assert thin([], 10) == []


def test_the_csv_has_every_row_and_failures_by_reason() -> None:
    document = Sender().seconds(5, failing=True).document()
    document["series"][1]["p99_ms"] = None
    lines = list(csv.DictReader(io.StringIO(to_csv(document))))
    assert len(lines) == 5
    for line, row in zip(lines, document["series"], strict=True):
        assert int(line["packets_sent"]) == row["packets_sent"]
        assert sum(int(line[name]) for name in line if name.startswith("failed_")) == int(line["failed"])
    assert lines[1]["p99_ms"] == ""
    assert float(lines[2]["p99_ms"]) == document["series"][2]["p99_ms"]
