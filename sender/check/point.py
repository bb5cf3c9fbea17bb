"""A point of the check: a name, whom it concerns, and a pure function from facts to findings."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from gryphon.sender.check.facts import Asked, Facts, Role


class Verdict(enum.StrEnum):
    """The three answers."""

    SUPPORTED = "supported"
    NOT = "not"
    UNKNOWN = "cannot tell"


class Finding(NamedTuple):
    """One answer."""

    verdict: Verdict
    seen: str
    mend: str = ""  # a command, or what to do


def supported(seen: str) -> Finding:
    """As it should be."""
    return Finding(Verdict.SUPPORTED, seen)


def missing(seen: str, mend: str) -> Finding:
    """Not as it should be."""
    return Finding(Verdict.NOT, seen, mend)


def unknown(seen: str, mend: str = "") -> Finding:
    """Nobody can tell from here, or it depends."""
    return Finding(Verdict.UNKNOWN, seen, mend)


Judge = Callable[[Facts, Asked], Iterator[Finding]]


class Point(NamedTuple):
    """One row of a table of points.

    Attributes:
        name: for people.
        role: whom it concerns; host: whoever intercepts or sends.
        judge: at least one finding, or none where the point does not apply.
        needed: whether a run fails without.
    """

    name: str
    role: Role | Literal["host"]
    judge: Judge
    needed: Callable[[Asked], bool] = lambda asked: True


class Row(NamedTuple):
    """A finding with its point."""

    point: str
    role: str
    finding: Finding
    needed: bool

    @property
    def bad(self) -> bool:
        """Whether something is missing that is needed."""
        return self.needed and self.finding.verdict is Verdict.NOT

    def document(self) -> dict[str, Any]:
        """As in the JSON."""
        return {
            "role": self.role,
            "point": self.point,
            "verdict": str(self.finding.verdict),
            "seen": self.finding.seen,
            "mend": self.finding.mend,
            "needed": self.needed,
        }


def judge(points: Sequence[Point], facts: Facts, asked: Asked) -> list[Row]:
    """The rows of these points for what this host is to be."""
    return [
        Row(point.name, point.role, finding, point.needed(asked))
        for point in points
        if point.role == "host" or point.role in asked.roles
        for finding in point.judge(facts, asked)
    ]
