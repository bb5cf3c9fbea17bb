"""The series as CSV: a line for each row, for spreadsheets and plotting tools."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from gryphon.sender.results.thresholds import load_schema


def to_csv(document: Mapping[str, Any]) -> str:
    """The text: names as in the result file, failures by reason in columns of their own, nothing for not measured."""
    schema = load_schema()
    reasons = list(schema["$defs"]["failed"]["required"])
    names = [name for name in schema["$defs"]["step"]["required"] if name != "failed_by"]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(names + [f"failed_{reason}" for reason in reasons])
    for row in document["series"]:
        values = [row[name] for name in names] + [row["failed_by"].get(reason, 0) for reason in reasons]
        lines.writerow(["" if value is None else value for value in values])
    return text.getvalue()
