"""The summary that a run ends with: a result as text of 80 columns, the verdict in its last line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gryphon.sender.results.human import milliseconds, number, size
from gryphon.sender.results.lateness import late_sentence
from gryphon.sender.results.thresholds import worded_value
from gryphon.sender.results.verdict import sentence

_WIDTH, _LABEL, _CELL, _CELLS = 80, 12, 20, 3
_COLUMNS = ("p50", "p90", "p99", "max")


def summarize(document: Mapping[str, Any], notes: Sequence[str] = ()) -> str:
    """The text for a result (the object of ``Result.document``); ``notes`` are lines of what else is worth saying."""
    lines = [
        *_head(document),
        "",
        *_counts(document),
        *_examples(document),
        "",
        *_latencies(document),
        "",
        *_thresholds(document),
    ]
    for note in notes:
        lines.append(f"note        {note}")
    return "\n".join([*lines, "", sentence(document), ""])


def _head(document: Mapping[str, Any]) -> Iterator[str]:
    sessions = document["sessions"]
    yield f"gryphon {document['version']}, {document['duration_s']:,.1f} s, from {document['started']}"
    plural = "" if sessions["recorded"] == 1 else "s"
    text = f"{number(sessions['recorded'])} session{plural} recorded, {number(sessions['replayable'])} replayable"
    rejected = ", ".join(f"{count} {reason}" for reason, count in sessions["rejected"].items() if count)
    yield f"{text}, rejected: {rejected}" if rejected else text
    way, devices = document["transmit"]["way"], " and ".join(document["transmit"]["devices"])
    yield f"sent by {way} over {devices}" if devices else f"sent by {way} sockets"


def _counts(document: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is counted, three to a line."""
    users, packets, messages = document["users"], document["packets"], document["messages"]
    failed = {reason: count for reason, count in users["failed"].items() if count}
    cells = {name: number(users[name]) for name in ("requested", "started", "connected", "completed")}
    cells |= {"failed": number(sum(failed.values())), "at once": number(users["peak_active"])}
    yield from _grid("users", cells)
    if failed:
        yield _failed_by(failed)
    yield from _sessions(document["sessions_run"], users["started"])
    cells = {"sent": number(packets["sent"]), "resent": number(packets["retransmitted"])}
    cells |= {"responses": number(packets["responses"])}
    if packets["ring_lost"]:
        cells["lost in ring"] = number(packets["ring_lost"])
    yield from _grid("packets", cells)
    names = {name: name for name in ("sent", "answered", "pushed", "matched", "mismatched", "missing")}
    names["mismatched"] = "differing"
    names |= {"unawaited": "not awaited"} if messages["unawaited"] else {}
    yield from _grid("messages", {name: number(messages[key]) for key, name in names.items()})
    if messages["extracted"] or messages["unextracted"]:
        names = {"extracted": "extracted", "unextracted": "left as they were"}
        yield from _grid("values", {name: number(messages[key]) for key, name in names.items()})
    yield from _grid("bytes", {name: size(document["bytes"][name]) for name in ("sent", "received")})
    if document["http_status"]:
        yield from _grid("http", {code: number(count) for code, count in document["http_status"].items()})


def _failed_by(failed: Mapping[str, int]) -> str:
    """The reasons that there were."""
    return " " * _LABEL + "failed by " + ", ".join(f"{why} {number(count)}" for why, count in failed.items() if count)


def _sessions(run: Mapping[str, Any], users: int) -> Iterator[str]:
    """The sessions, where they are not the users over again: those who loop, and those who were cut short."""
    failed = sum(run["failed"].values())
    if run["started"] != users or run["cut"]:
        cells = {name: number(run[name]) for name in ("started", "connected", "completed")}
        cells |= {"failed": number(failed)} | ({"cut by the end": number(run["cut"])} if run["cut"] else {})
        yield from _grid("sessions", cells)
        if failed:
            yield _failed_by(run["failed"])


def _examples(document: Mapping[str, Any]) -> Iterator[str]:
    """The first of each kind of trouble, so that it can be found in the server's log."""
    seen = set()
    for row in document["examples"]:
        if row["kind"] in seen:
            continue
        seen.add(row["kind"])
        host = f"[{row['address']}]" if ":" in row["address"] else row["address"]
        where = f"message {row['message']}" if row["message"] else "before its first message"
        other = f", {row['bytes']:,} bytes instead of {row['recorded_bytes']:,}" if "bytes" in row else ""
        other += f", begins {row['begins']}" if "begins" in row else ""
        label, kind = "" if len(seen) > 1 else "examples", row["kind"].replace("_", " ")
        when = f"at {row['time_s']:,.3f} s"
        yield f"{label:<12}{kind}: {host}:{row['port']} {when}, session {row['session']}, {where}{other}"


def _grid(label: str, cells: Mapping[str, str]) -> Iterator[str]:
    """Names to the left and values to the right of cells of one width, never without a gap."""
    texts = [f"{name} {value.rjust(_CELL - 1 - len(name))}" for name, value in cells.items()]
    for first in range(0, len(texts), _CELLS):
        yield (label if first == 0 else "").ljust(_LABEL) + "   ".join(texts[first : first + _CELLS])


def _latencies(document: Mapping[str, Any]) -> Iterator[str]:
    """The table of latencies: from the time each thing was due, and from when it was really sent."""
    yield "latency, ms".ljust(26) + "".join(column.rjust(10) for column in _COLUMNS) + "count".rjust(12)
    for kind, name in (("connect", "connect"), ("first_byte", "first byte"), ("response", "response")):
        for since, words in (("intended", "since due"), ("service", "since sent")):
            row = document["latency_ms"][kind][since]
            title = f"{name if since == 'intended' else '':<12}{words:<14}"
            values = "".join(milliseconds(row[column]).rjust(10) for column in _COLUMNS)
            yield title + values + number(row["count"]).rjust(12)
    push = document["latency_ms"]["push"]
    if push["count"]:
        values = "".join(milliseconds(push[column]).rjust(10) for column in _COLUMNS)
        yield f"{'push':<12}{'since stamped':<14}{values}{number(push['count']).rjust(12)}"
    pacing = document["pacing"]
    late = {column: pacing.get(f"late_{column}_us") for column in _COLUMNS}
    values = "".join(("" if column == "p90" else _micro(late[column])).rjust(10) for column in _COLUMNS)
    yield f"{'lateness':<12}{'of sending':<14}{values}"
    said = late_sentence(pacing, document["channel"]["delay_p99_us"])
    if said is not None:
        yield from textwrap.wrap(said, _WIDTH, initial_indent=" " * _LABEL, subsequent_indent=" " * _LABEL)
    uncertainty = document["clock"]["uncertainty_us"]
    if uncertainty:
        yield f"The intercept's clock is known to within {milliseconds(uncertainty / 1000)} ms."
    if document.get("warmup_s"):
        yield f"{'':<12}without the first {document['warmup_s']:g} s"


def _micro(value: float | None) -> str:
    return milliseconds(None if value is None else value / 1000)


def _thresholds(document: Mapping[str, Any]) -> Iterator[str]:
    """Each condition with its value."""
    for i, row in enumerate(document["thresholds"]):
        label, state = "" if i else "fail if", "BROKEN" if row["broken"] else "ok"
        yield f"{label:<12}{row['text']:<34}{worded_value(row):>12}   {state}"
