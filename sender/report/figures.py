"""The figures of a result: which there are, what each shows, and what a reader has to know of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gryphon.sender.report.curve import percentile_line
from gryphon.sender.report.figure import Figure, Line
from gryphon.sender.report.load import Document
from gryphon.sender.report.rows import thin

Rows = Sequence[Mapping[str, Any]]

_REASONS: Final = ("refused", "unreachable", "reset", "early_close", "timeout", "pmtu", "send_error", "aborted")
_SHOWN: Final = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("max", "max"))
_LATE: Final = (("p50", "late_p50"), ("p99", "late_p99"), ("max", "late_max"))


def figures(document: Document, most: int) -> list[Figure]:
    """All figures over time; those that nothing happened in are empty.

    Args:
        most: points of a line at most; a longer series is thinned.
    """
    rows = thin(document["series"], most)
    return [
        _users(rows),
        _rates("sessions", "Sessions", rows, started="started", completed="completed", failed="failed"),
        _rates("packets", "Packets", rows, sent="packets_sent", answers="responses", resent="retransmitted"),
        _messages(rows),
        _rates("bytes", "Payload", rows, unit="bytes per second", received="bytes_received", sent="bytes_sent"),
        _latencies(
            "response",
            "Response, from when due",
            rows,
            _SHOWN,
            "From when the message was due to the last byte of its answer.",
        ),
        _latencies(
            "service",
            "Response, from when sent",
            rows,
            [(name, f"service_{name}") for name, _ in _SHOWN],
            "Where it is much shorter than from when due, messages left late: see the lateness.",
        ),
        _failures(rows),
        _differing(rows),
        _payload(rows),
        _latencies(
            "lateness",
            "Lateness of gryphon",
            rows,
            _LATE,
            "How long after their time packets left: gryphon's own part.",
        ),
    ]


def curves(documents: Mapping[str, Document]) -> list[Figure]:
    """Percentile curves; several results, each under its name, share the figures."""
    made = []
    for kind, title in (("response", "Response by percentile"), ("connect", "Connecting by percentile")):
        lines = []
        for name, document in documents.items():
            for since, words in (("intended", "from when due"), ("service", "from when sent")):
                title_of = f"{name}, {words}" if name else words
                lines.append(percentile_line(title_of, document["latency_ms"][kind][since]["hdr"]))
        note = "Each nine is as wide as the one before it. All values, none sampled."
        made.append(Figure(f"curve {kind}", title, "ms", lines, note, x="percentile", spread=True))
    push = [
        percentile_line(name or "push", document["latency_ms"]["push"]["hdr"]) for name, document in documents.items()
    ]
    made.append(
        Figure(
            "curve push",
            "Push by percentile",
            "ms",
            push,
            "From the time in a message to its arrival.",
            x="percentile",
            spread=True,
        )
    )
    return made


def _over(rows: Rows, value: Callable[[Mapping[str, Any]], float | None], name: str) -> Line:
    """A line of what each stretch had; the first one begins where the stretch does."""
    if not rows:
        return Line(name, [], [])
    begin = max(rows[0]["time_s"] - rows[0]["step_s"], 0.0)
    values = [value(row) for row in rows]
    return Line(name, [begin, *(row["time_s"] for row in rows)], [values[0], *values])


def _per_second(key: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda row: float(row[key]) / max(row["step_s"], 1e-3)


def _rates(key: str, title: str, rows: Rows, *, unit: str = "per second", **lines: str) -> Figure:
    return Figure(key, title, unit, [_over(rows, _per_second(column), name) for name, column in lines.items()])


def _users(rows: Rows) -> Figure:
    """Who is there, and who has come."""
    xs = [0.0, *(row["time_s"] for row in rows)] if rows else []
    lines = [Line("connections open", xs, [0, *(row["active"] for row in rows)] if rows else [])]
    for name, column in (("users started", "users_started"), ("users connected", "users_connected")):
        running = [0, *itertools.accumulate(row[column] for row in rows)] if rows else []
        lines.append(Line(name, xs, running))
    return Figure(
        "users", "Users", "at that time", lines, "Open: sessions between their SYN and their end.", kind="area"
    )


def _messages(rows: Rows) -> Figure:
    columns = {"sent": "messages_sent", "answered": "messages_answered"}
    if any(row["pushed"] for row in rows):
        columns["pushed"] = "pushed"
    return _rates("messages", "Messages", rows, **columns)


def _latencies(key: str, title: str, rows: Rows, columns: Sequence[tuple[str, str]], note: str) -> Figure:
    lines = [_over(rows, lambda row, column=column: row[f"{column}_ms"], name) for name, column in columns]  # type: ignore[misc]
    return Figure(key, title, "ms", lines, note, spread=True)


def _stack(
    key: str, title: str, unit: str, rows: Rows, lines: Mapping[str, Callable[[Mapping[str, Any]], float]], note: str
) -> Figure:
    start = max(rows[0]["time_s"] - rows[0]["step_s"], 0.0) if rows else 0.0
    xs = [row["time_s"] for row in rows]
    made = [Line(name, xs, [value(row) / max(row["step_s"], 1e-3) for row in rows]) for name, value in lines.items()]
    return Figure(key, title, unit, [line for line in made if any(line.ys)], note, kind="stack", start=start)


def _failures(rows: Rows) -> Figure:
    lines = {
        reason.replace("_", " "): lambda row, reason=reason: row["failed_by"].get(reason, 0) for reason in _REASONS
    }
    return _stack("failures", "Failures by reason", "sessions per second", rows, lines, "")


def _differing(rows: Rows) -> Figure:
    note = "Answers of another size or content than recorded."
    return _stack(
        "differing", "Answers that differ", "per second", rows, {"differing": lambda row: row["mismatched"]}, note
    )


def _payload(rows: Rows) -> Figure:
    """Packet sizes, as far as sums tell them: nothing is counted per packet for this."""

    def mean(part: str, whole: str) -> Callable[[Mapping[str, Any]], float | None]:
        return lambda row: row[part] / row[whole] if row[whole] else None

    lines = [
        _over(rows, mean("bytes_received", "responses"), "answers"),
        _over(rows, mean("bytes_sent", "packets_sent"), "sent"),
    ]
    note = (
        "Mean payload of a packet, acknowledgements counted in. At tc egress one packet stands for all that the "
        "server's kernel cuts out of it."
    )
    return Figure("payload", "Packet sizes", "bytes of payload", lines, note)
