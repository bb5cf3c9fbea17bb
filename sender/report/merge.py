"""One result out of those of several senders: sums of counts and histograms, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gryphon.controller.errors import InputFault
from gryphon.sender.report.load import Document
from gryphon.sender.report.timeline import merge_series
from gryphon.sender.results.histogram import Counts, describe, encode, maximum, merge, percentile
from gryphon.sender.results.thresholds import evaluate, parse
from gryphon.sender.results.verdict import Ending, verdict

FARTHEST_S: Final = 600.0
"""Senders of one run start within this; else their files are of different runs."""

_ENDINGS: Final = ("grant_lost", "interrupted", "ended_early")
_EXAMPLES: Final = 5  # of each kind, as in a run of one sender


def merge_results(documents: Sequence[Document]) -> Document:
    """The result of a run that several senders made together.

    Raises:
        InputFault: their starts lie far apart, or two are the same.
    """
    if len(documents) == 1:
        return documents[0]
    starts = _starts(documents)
    made: Document = dict(documents[0])
    made |= {
        "version": _joined(document["version"] for document in documents),
        "started": min(documents, key=lambda document: _start(document))["started"],
        "duration_s": round(max(s + d["duration_s"] for s, d in zip(starts, documents, strict=True)), 6),
        "host": documents[0]["host"] | {"cores": sum(document["host"]["cores"] for document in documents)},
        "command": "\n".join(document["command"] for document in documents),
        "sessions": _sessions(documents),
        "http_status": _added(document["http_status"] for document in documents),
        "warmup_s": max(document["warmup_s"] for document in documents),
        "latency_ms": _latency([document["latency_ms"] for document in documents]),
        "pacing": _pacing(documents),
        "clock": _furthest(documents),
        "transmit": _transmit(documents),
        "canary": _canary(documents),
        "channel": {"delay_p99_us": _most(document["channel"]["delay_p99_us"] for document in documents)},
        "cost": _cost(documents),
        "examples": _examples(documents),
        "series": merge_series([(s, d["series"]) for s, d in zip(starts, documents, strict=True)]),
    }
    for key in ("sessions_run", "users", "packets", "bytes", "messages", "judged"):
        made[key] = _added(document[key] for document in documents)
    texts = dict.fromkeys(row["text"] for document in documents for row in document["thresholds"])
    made["thresholds"] = evaluate([parse(text) for text in texts], made | made["judged"])
    made["verdict"] = _verdict(documents, made)
    return made


def _start(document: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(document["started"])


def _starts(documents: Sequence[Document]) -> list[float]:
    """Seconds from the first sender's start to each one's."""
    times = [_start(document) for document in documents]
    starts = [(time - min(times)).total_seconds() for time in times]
    if max(starts) > FARTHEST_S:
        raise InputFault(
            f"these results began {max(starts):,.0f} s apart, so they are not of one run of several senders: "
            "to compare two runs, leave --merge out"
        )
    for i, document in enumerate(documents):
        if document in documents[:i]:
            raise InputFault(
                f"results {documents.index(document) + 1} and {i + 1} are the same: give each sender's own"
            )
    return starts


def apart(documents: Sequence[Document], names: Sequence[str]) -> str | None:
    """The sentence about two of them that did not run at the same time; None where all did.

    Args:
        names: of their files.
    """
    spans = [(_start(document), _start(document) + timedelta(seconds=document["duration_s"])) for document in documents]
    ended, later = min(range(len(spans)), key=lambda i: spans[i][1]), max(range(len(spans)), key=lambda i: spans[i][0])
    if spans[later][0] < spans[ended][1]:
        return None
    seconds = (spans[later][0] - spans[ended][1]).total_seconds()
    return (
        f"{names[later]} began {seconds:,.1f} s after {names[ended]} had ended: merged, they show a load that no "
        "server had at once; to compare two runs, leave --merge out"
    )


def _added(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Objects of counts, which may hold such objects, with their counts added."""
    total: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = (
                _added([total.get(key, {}), value]) if isinstance(value, Mapping) else total.get(key, 0) + value
            )
    return total


def _sessions(documents: Sequence[Document]) -> dict[str, Any]:
    """What the captures hold: once where all senders replayed the same, else together."""
    parts = [document["sessions"] for document in documents]
    files = [document["config"].get("files") for document in documents]
    same = all(part == parts[0] for part in parts) and all(file == files[0] for file in files)
    return dict(parts[0]) if same else _added(parts)


def _latency(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every latency, out of the histograms of all."""

    def together(of: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> dict[str, Any]:
        return describe(merge(of(part)["hdr"] for part in parts))

    made: dict[str, Any] = {
        kind: {
            since: together(lambda part, kind=kind, since=since: part[kind][since])  # type: ignore[misc]
            for since in ("intended", "service")
        }
        for kind in ("connect", "first_byte", "response")
    }
    return made | {"push": together(lambda part: part["push"])}


def _pacing(documents: Sequence[Document]) -> dict[str, Any]:
    counts: Counts = merge(document["pacing"]["hdr"] for document in documents)
    values = {"p50": percentile(counts, 50), "p99": percentile(counts, 99), "max": maximum(counts)}
    late: dict[str, Any] = {f"late_{name}_us": value for name, value in values.items()}
    while_late = _added(document["pacing"]["while_late"] for document in documents)
    return late | {"count": int(counts.sum()), "hdr": encode(counts), "while_late": while_late}


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _furthest(documents: Sequence[Document]) -> dict[str, Any]:
    """The clock that is furthest off, and the largest uncertainty."""
    offsets = [document["clock"]["offset_us"] for document in documents]
    known = [offset for offset in offsets if offset is not None]
    return {
        "offset_us": max(known, key=abs) if known else None,
        "uncertainty_us": _most(document["clock"]["uncertainty_us"] for document in documents),
    }


def _transmit(documents: Sequence[Document]) -> dict[str, Any]:
    """Of senders that send in different ways the first one's; each command line says its own."""
    devices = [device for document in documents for device in document["transmit"]["devices"]]
    return {"way": documents[0]["transmit"]["way"], "devices": list(dict.fromkeys(devices))}


def _canary(documents: Sequence[Document]) -> dict[str, Any] | None:
    """What all senders' SYNs have shown."""
    parts = [document["canary"] for document in documents if document["canary"] is not None]
    if not parts:
        return None
    made: dict[str, Any] = {name: sum(part[name] for part in parts) for name in ("pairs", "tried")}
    made["intercepts"] = list(dict.fromkeys(name for part in parts for name in part["intercepts"]))
    return made | {"answers": [row for part in parts for row in part["answers"]]}


def _cost(documents: Sequence[Document]) -> dict[str, Any]:
    parts = [document["cost"] for document in documents]
    # senders that share an intercept each have all of its time in their results
    return {
        "cpu_s": round(sum(part["cpu_s"] for part in parts), 6),
        "max_rss_bytes": sum(part["max_rss_bytes"] for part in parts),
        "intercept_cpu_s": _most(part["intercept_cpu_s"] for part in parts),
    }


def _examples(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """The first of each kind, by time."""
    rows = sorted((row for d in documents for row in d["examples"]), key=lambda row: (row["kind"], row["time_s"]))
    kinds = [row["kind"] for row in rows]
    return [row for i, row in enumerate(rows) if kinds[:i].count(row["kind"]) < _EXAMPLES]


def _joined(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _verdict(documents: Sequence[Document], made: Mapping[str, Any]) -> str:
    """What ended one sender's part before its time ended the run so; else the thresholds judge the sums."""
    for ending in _ENDINGS:
        if any(document["verdict"] == ending for document in documents):
            return ending
    well = made["sessions_run"]["completed"] + made["sessions_run"]["cut"]
    return verdict(Ending.FINISHED, well, made["thresholds"])


def commands(document: Mapping[str, Any]) -> list[str]:
    """The command lines behind a result, one of each sender."""
    return [line for line in document["command"].split("\n") if line]
