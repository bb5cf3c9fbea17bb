"""Holds what nginx counted beside what gryphon reports and what the recording lets expect."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from gryphon.lab.clients import RealClients
from gryphon.lab.recording import Recording, upload
from gryphon.lab.servers import Answer, Request, Served
from gryphon.lab.wiring import FORGED_V4, FORGED_V6, End


class Row(NamedTuple):
    """One line of the comparison; None where a side does not know."""

    what: str
    expected: int
    gryphon: int | None = None
    nginx: int | None = None

    @property
    def agrees(self) -> bool:
        return all(side in (None, self.expected) for side in (self.gryphon, self.nginx))


def compare(
    recording: Recording,
    users: int,
    result: Mapping[str, Any],
    served: Served,
    clients: RealClients,
    leaked: Mapping[End, int],
) -> list[Row]:
    """The comparison after a replay by `users` users.

    Args:
        result: gryphon's own, as `--json` writes it (docs: the result file).
        leaked: packets for forged addresses by the interface beyond the interception that saw them.
    """
    forged = [request for request in served.log if _is_forged(request.client)]
    real = [request for request in served.log if not _is_forged(request.client)]
    asked = Counter(request.answer for request in recording.replayed(users))
    counts = result["users"]
    posted = [request for request in forged if request.upload != "-"]
    return [
        Row("users started", users, counts["started"]),
        Row("users completed", users, counts["completed"]),
        Row("users failed", 0, sum(counts["failed"].values())),
        Row("connections", users, counts["connected"], served.connections - len(clients.statuses)),
        Row("connections left open", 0, None, served.open),
        Row("requests", asked.total(), None, served.requests - len(clients.statuses)),
        *_answers(asked, forged),
        Row(
            "bytes of answers",
            sum(request.sent for request in recording.replayed(users)),
            result["bytes"]["received"],
            sum(request.sent for request in forged),
        ),
        Row("uploads stored whole", _posts(asked), None, _whole(posted)),
        Row("packets for forged addresses beyond", 0, None, sum(leaked.values())),
        Row("real clients served meanwhile", len(clients.statuses), clients.served, len(real)),
    ]


def table(rows: Sequence[Row]) -> str:
    """The comparison as text."""
    lines = [f"  {'':36}{'expected':>14}{'gryphon':>14}{'nginx':>14}"]
    for row in rows:
        cells = "".join(f"{'' if value is None else f'{value:,}':>14}" for value in row[1:])
        lines.append(f"  {row.what:36}{cells}  {'OK' if row.agrees else 'DIFFERS'}")
    return "\n".join(lines)


def _answers(asked: Counter[Answer], forged: Iterable[Request]) -> list[Row]:
    """One line for each request that was recorded, and one for all that nobody recorded."""
    seen = Counter(request.answer for request in forged)
    rows = [
        Row(f"  {answer.status} {answer.method} {answer.path}", asked[answer], None, seen[answer])
        for answer in sorted(asked)
    ]
    other = sum(count for answer, count in seen.items() if answer not in asked)
    return [*rows, Row("  any other answer", 0, None, other)]


def _posts(asked: Counter[Answer]) -> int:
    return sum(count for answer, count in asked.items() if answer.method == "POST")


def _whole(posted: Iterable[Request]) -> int:
    wanted = hashlib.sha256(upload()).hexdigest()
    return sum(request.checksum() == wanted for request in posted)


def _is_forged(address: str) -> bool:
    parsed = ip_address(address)
    return parsed in FORGED_V4 or parsed in FORGED_V6
