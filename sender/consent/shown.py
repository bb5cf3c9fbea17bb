"""What the SYNs before a run have shown: for the log, the summary and the result file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gryphon.controller.policy import show_service
from gryphon.sender.consent.pairs import Pair
from gryphon.sender.consent.probes import Answer, Probe


@dataclass(frozen=True)
class Shown:
    """All of them answered.

    Attributes:
        probes: the SYNs.
        pairs: servers and ranges in all, of which so many SYNs were sent.
        intercepts: who saw the answers.
    """

    probes: Sequence[Probe]
    pairs: int
    intercepts: Sequence[str]

    def document(self) -> dict[str, Any]:
        """As in the result file."""
        return {
            "pairs": self.pairs,
            "tried": len(self.probes),
            "intercepts": list(self.intercepts),
            "answers": [_row(probe) for probe in self.probes],
        }

    def line(self) -> str:
        """For the log."""
        slowest = max(probe.took_ns for probe in self.probes) / 1e6
        kinds = {answer: sum(probe.answer is answer for probe in self.probes) for answer in Answer}
        counted = ", ".join(f"{count} {answer}" for answer, count in kinds.items() if count)
        return (
            f"canary: {how_many(len(self.probes), self.pairs)} answered ({counted}), the last after {slowest:.1f} ms, "
            f"seen by {'; '.join(self.intercepts)}"
        )

    def notes(self) -> Iterator[str]:
        """What a person should know of it."""
        if len(self.probes) < self.pairs:
            yield f"the canary tried {len(self.probes)} of {self.pairs:,} pairs of server and range"
        for probe in {(probe.pair.number, probe.answer): probe for probe in self.probes}.values():
            if probe.answer is Answer.RESET:
                yield f"{_where(probe.pair)} was refused: nothing listens there, or a firewall resets"
            elif probe.answer is Answer.ICMP:
                yield f"{_where(probe.pair)} was answered by an ICMP error: {probe.said}"


def how_many(tried: int, pairs: int) -> str:
    """``1 SYN``, ``64 of 1,000 SYNs``."""
    return f"{tried} SYN{'' if tried == 1 else 's'}" + (f" (of {pairs:,} pairs)" if tried < pairs else "")


def _where(pair: Pair) -> str:
    return f"the canary from {pair.address} to {show_service(pair.service)}"


def _row(probe: Probe) -> dict[str, Any]:
    pair = probe.pair
    return {
        "server": show_service(pair.service),
        "range": str(pair.network),
        "address": str(pair.address),
        "port": pair.port,
        "answer": str(probe.answer),
        "syns": probe.sent,
        "ms": round(probe.took_ns / 1e6, 3),
    }
