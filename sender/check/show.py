"""The rows of a check as lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from gryphon.sender.check.facts import Asked
from gryphon.sender.check.point import Row, Verdict


def lines(rows: Sequence[Row], asked: Asked) -> list[str]:
    """A line for each row, with the mending command where there is something to mend, and what it comes to."""
    shown = [_line(row) for row in rows]
    bad = sum(row.bad for row in rows)
    if not asked.roles:
        shown.append(
            "what this host is to be, nobody said: add --role sender, server or assistant for its routes and limits"
        )
    shown.append(f"{bad} of {len(rows)} points to mend" if bad else f"{len(rows)} points, nothing to mend")
    return shown


def _line(row: Row) -> str:
    """One row."""
    finding = row.finding
    verdict = str(finding.verdict)
    if finding.verdict is Verdict.NOT and not row.needed:
        verdict = "not (unneeded)"
    mend = f"  ->  {finding.mend}" if finding.mend else ""
    return f"{verdict:14} {row.role:9} {row.point}: {finding.seen}{mend}"
