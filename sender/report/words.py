"""A result in words and tables: verdict, key figures, counts, latencies, examples, options, host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gryphon.sender.report.load import Document
from gryphon.sender.report.markup import Markup, element, join, table, text
from gryphon.sender.report.rows import thin
from gryphon.sender.results.human import milliseconds, number, percent, size
from gryphon.sender.results.lateness import late_sentence
from gryphon.sender.results.progress import clock
from gryphon.sender.results.thresholds import worded_value

_COLUMNS: Final = ("p50", "p90", "p99", "p999", "max")
MOST_EXAMPLES: Final = 40
MOST_STATUSES: Final = 30
TABLE_ROWS: Final = 40


def remarks(document: Document) -> Iterator[str]:
    """What a reader has to know before believing the figures."""
    late = late_sentence(document["pacing"], document["channel"]["delay_p99_us"])
    if late is not None:
        yield f"{late}."
    lost = document["packets"]["ring_lost"]
    if lost:
        yield f"{number(lost)} answers were lost at the interception (ring or channel full); TCP recovered them."
    if document["warmup_s"]:
        yield f"Percentiles, lateness and thresholds leave out the first {document['warmup_s']:g} s."
    uncertainty = document["clock"]["uncertainty_us"]
    if uncertainty:
        yield f"The intercept's clock is known to within {milliseconds(uncertainty / 1000)} ms."


def tiles(document: Document) -> list[tuple[str, str, str]]:
    """Key figures: name, value, and what it is of."""
    users, run, messages = document["users"], document["sessions_run"], document["messages"]
    failed, response = sum(users["failed"].values()), document["latency_ms"]["response"]["intended"]
    rows = thin(document["series"], 1800)
    best = max((row["completed"] / max(row["step_s"], 1e-3) for row in rows), default=0.0)
    return [
        (
            "users",
            number(users["started"]),
            f"of {number(users['requested'])}; at most {number(users['peak_active'])} at once",
        ),
        ("users failed", percent(failed / users["started"]) if users["started"] else "-", f"{number(failed)} of them"),
        ("sessions completed", number(run["completed"]), f"up to {number(best)} per second"),
        ("response p50", _or_dash(response["p50"]), f"of {number(response['count'])} answers"),
        ("response p99", _or_dash(response["p99"]), f"max {_or_dash(response['max'])}"),
        ("answers differing", number(messages["mismatched"]), f"{number(messages['missing'])} missing"),
    ]


def _or_dash(value: float | None) -> str:
    """Milliseconds with their unit, where there are some."""
    return "-" if value is None else f"{milliseconds(value)} ms"


def thresholds(document: Document) -> Markup:
    """Each condition of --fail-if with its value."""
    if not document["thresholds"]:
        return Markup("")
    rows = [[row["text"], worded_value(row), "broken" if row["broken"] else "kept"] for row in document["thresholds"]]
    return table(["fail if", "value", ""], rows, "Thresholds")


def counts(document: Document) -> Markup:
    """What was counted."""
    users, run = document["users"], document["sessions_run"]
    rows = [["users " + name, number(users[name])] for name in ("requested", "started", "connected", "completed")]
    rows += [[f"users failed: {_plain(why)}", number(count)] for why, count in users["failed"].items() if count]
    rows += [["sessions " + name, number(run[name])] for name in ("started", "connected", "completed", "cut")]
    rows += [[f"sessions failed: {_plain(why)}", number(count)] for why, count in run["failed"].items() if count]
    for key in ("packets", "messages"):
        rows += [[f"{key} {_plain(name)}", number(count)] for name, count in document[key].items() if count]
    rows += [["bytes " + name, size(count)] for name, count in document["bytes"].items()]
    statuses = sorted(document["http_status"].items(), key=lambda item: -item[1])[:MOST_STATUSES]
    rows += [[f"HTTP {code}", number(count)] for code, count in sorted(statuses)]
    return table(["", "count"], rows, "Counts")


def latencies(document: Document) -> Markup:
    """Percentiles, from when due and from when sent."""
    rows = []
    for kind, name in (("connect", "connect"), ("first_byte", "first byte"), ("response", "response")):
        for since, words in (("intended", "since due"), ("service", "since sent")):
            rows.append(_latency(f"{name}, {words}", document["latency_ms"][kind][since]))
    if document["latency_ms"]["push"]["count"]:
        rows.append(_latency("push, since stamped", document["latency_ms"]["push"]))
    late = {name: document["pacing"][f"late_{name}_us"] for name in ("p50", "p99", "max")}
    cells = [late.get(column) for column in _COLUMNS]
    shown = ["" if cell is None else milliseconds(cell / 1000) for cell in cells]
    rows.append(["lateness of sending", *shown, number(document["pacing"]["count"])])
    return table(["ms", "p50", "p90", "p99", "p99.9", "max", "count"], rows, "Latencies, in milliseconds")


def _latency(name: str, row: Mapping[str, Any]) -> list[str]:
    return [name, *(milliseconds(row[column]) for column in _COLUMNS), number(row["count"])]


def examples(document: Document) -> Markup:
    """Users that met trouble, to be found in the server's log."""
    if not document["examples"]:
        return Markup("")
    rows = []
    for row in document["examples"][:MOST_EXAMPLES]:
        host = f"[{row['address']}]" if ":" in row["address"] else row["address"]
        what = (
            f"{row['bytes']:,} bytes, recorded {row['recorded_bytes']:,}"
            if {"bytes", "recorded_bytes"} <= row.keys()
            else ""
        )
        what += f" begins {row['begins']}" if "begins" in row else ""
        place = f"message {row['message']}" if row["message"] else "before its first message"
        where = f"session {row['session']}, {place}"
        rows.append([_plain(row["kind"]), f"{host}:{row['port']}", f"{row['time_s']:,.3f} s", where, what.strip()])
    return table(["kind", "user", "at", "where", "what"], rows, "The first users of each kind of trouble")


def environment(document: Document) -> list[tuple[str, str]]:
    """Where and how it ran."""
    host, sessions, cost = document["host"], document["sessions"], document["cost"]
    devices = " and ".join(document["transmit"]["devices"])
    rejected = ", ".join(f"{count} {_plain(why)}" for why, count in sessions["rejected"].items() if count)
    plural = "" if sessions["recorded"] == 1 else "s"
    recorded = f"{number(sessions['recorded'])} session{plural}, {number(sessions['replayable'])} replayable"
    memory = f", {size(host['memory_bytes'])} of memory" if host["memory_bytes"] else ""
    intercept = f", intercept {cost['intercept_cpu_s']:,.1f} s" if cost["intercept_cpu_s"] is not None else ""
    return [
        ("started", document["started"].replace("T", " ").replace("Z", " UTC")),
        ("length", f"{document['duration_s']:,.1f} s"),
        ("gryphon", document["version"]),
        ("sender", f"{host['cpu'] or 'processor unknown'}, {host['cores']} cores{memory}"),
        ("system", f"{host['kernel']}, Python {host['python']}"),
        ("sent by", f"{document['transmit']['way']}{' over ' + devices if devices else ' sockets'}"),
        ("recording", f"{recorded}{'; left out: ' + rejected if rejected else ''}"),
        ("cost", f"{cost['cpu_s']:,.1f} s of processor{intercept}, {size(cost['max_rss_bytes'])} of memory at most"),
    ]


def options(document: Document) -> Markup:
    """The options in effect."""
    rows = [[str(name), _option(value)] for name, value in document["config"].items()]
    return table(["option", "value"], rows[:120], "Options in effect")


def over_time(document: Document) -> Markup:
    """What the figures show, as numbers."""
    head = [
        "time",
        "open",
        "started",
        "completed",
        "failed",
        "packets",
        "answers",
        "p50 ms",
        "p99 ms",
        "max ms",
        "late p99 ms",
    ]
    rows = []
    for row in thin(document["series"], TABLE_ROWS):
        sums = [number(row[name]) for name in ("active", "started", "completed", "failed", "packets_sent", "responses")]
        times = [milliseconds(row[f"{name}_ms"]) for name in ("p50", "p99", "max", "late_p99")]
        rows.append([clock(row["time_s"]), *sums, *times])
    return table(head, rows, "The run over time: counts of each step, latencies of responses from when due")


def _option(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "-" if value is None else str(value)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def details(title: str, *parts: Markup) -> Markup:
    """A part that is closed at first, and open on paper."""
    return element("details", element("summary", text(title)), *parts)


def definitions(rows: Sequence[tuple[str, str]]) -> Markup:
    """Names and what they stand for."""
    return element("dl", join(element("div", element("dt", text(a)), element("dd", text(b))) for a, b in rows))
