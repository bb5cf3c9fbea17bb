"""How a run ended: the verdict of the result file, the sentence for people, the exit status for scripts."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from gryphon.sender.results.thresholds import worded_value


class Ending(enum.Enum):
    """What brought the run to its end."""

    FINISHED = "finished"  # every session came to its end
    ENDED_EARLY = "ended_early"  # stopped by itself before that
    GRANT_LOST = "grant_lost"  # the intercept went away or took the grant back
    INTERRUPTED = "interrupted"  # Ctrl-C or SIGTERM


EXIT_STATUS = {"passed": 0, "failed": 1, "ended_early": 1, "grant_lost": 3, "interrupted": 130}
"""Exit status of the process by verdict."""


def verdict(ending: Ending, well: int, thresholds: list[dict[str, Any]]) -> str:
    """One of the keys of ``EXIT_STATUS``.

    ``well`` counts the sessions that completed, and those that only the end of the run's time has cut short,
    ``thresholds`` are rows of the result file.
    """
    if ending is not Ending.FINISHED:
        return str(ending.value)
    return "failed" if not well or any(row["broken"] for row in thresholds) else "passed"


def exit_status(document: Mapping[str, Any]) -> int:
    """The process's exit status for a result."""
    return EXIT_STATUS[document["verdict"]]


def sentence(document: Mapping[str, Any]) -> str:
    """The verdict of a result in words, one line."""
    after = f"after {document['duration_s']:,.1f} s"
    opening = {
        "passed": "PASSED",
        "failed": "FAILED",
        "ended_early": f"ENDED EARLY {after}",
        "grant_lost": f"GRANT LOST {after}: the intercept is gone or withdrew it",
        "interrupted": f"INTERRUPTED {after}",
    }[document["verdict"]]
    reasons = [f"{row['text']} ({worded_value(row)})" for row in document["thresholds"] if row["broken"]]
    if not document["sessions_run"]["completed"] and not document["sessions_run"]["cut"]:
        reasons.insert(0, "nobody completed")
    return f"{opening}: {'; '.join(reasons)}" if reasons and document["verdict"] == "failed" else opening
