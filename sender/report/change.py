"""Two results in one table: the value before, after, and how much it changed for the better or the worse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gryphon.sender.report.load import Document
from gryphon.sender.report.markup import Markup, element, text
from gryphon.sender.results.human import milliseconds, number, percent

MARKED: Final = 0.1
"""A change of more than that part is marked as better or worse: less is what two runs differ by anyway."""

_Value = Callable[[Document], float | None]


def _rate(key: str) -> _Value:
    return lambda document: document["sessions_run"][key] / max(document["duration_s"], 1e-3)


def _share(part: Callable[[Document], float], whole: Callable[[Document], float]) -> _Value:
    return lambda document: part(document) / whole(document) if whole(document) else None


def _latency(kind: str, since: str, column: str) -> _Value:
    def value(document: Document) -> float | None:
        found: float | None = document["latency_ms"][kind][since][column]
        return found

    return value


def _ms(value: float) -> str:
    return f"{milliseconds(value)} ms"


def _late(document: Document) -> float | None:
    late: float | None = document["pacing"]["late_p99_us"]
    return None if late is None else late / 1000


_ROWS: Final[list[tuple[str, _Value, Callable[[float], str], int]]] = [
    # name, value, how it is written, and whether more is better (1), worse (-1) or neither (0)
    ("users started", lambda d: d["users"]["started"], number, 0),
    ("most at once", lambda d: d["users"]["peak_active"], number, 0),
    (
        "users failed",
        _share(lambda d: sum(d["users"]["failed"].values()), lambda d: d["users"]["started"]),
        percent,
        -1,
    ),
    ("sessions completed", lambda d: d["sessions_run"]["completed"], number, 1),
    ("sessions completed per second", _rate("completed"), number, 1),
    ("connect p50, from when due", _latency("connect", "intended", "p50"), _ms, -1),
    ("connect p99, from when due", _latency("connect", "intended", "p99"), _ms, -1),
    ("response p50, from when due", _latency("response", "intended", "p50"), _ms, -1),
    ("response p90, from when due", _latency("response", "intended", "p90"), _ms, -1),
    ("response p99, from when due", _latency("response", "intended", "p99"), _ms, -1),
    ("response p99.9, from when due", _latency("response", "intended", "p999"), _ms, -1),
    ("response max, from when due", _latency("response", "intended", "max"), _ms, -1),
    ("response p99, from when sent", _latency("response", "service", "p99"), _ms, -1),
    (
        "answers that differ",
        _share(lambda d: d["messages"]["mismatched"], lambda d: d["messages"]["answered"]),
        percent,
        -1,
    ),
    ("answers missing", lambda d: d["messages"]["missing"], number, -1),
    (
        "packets sent again",
        _share(lambda d: d["packets"]["retransmitted"], lambda d: d["packets"]["sent"]),
        percent,
        -1,
    ),
    ("lateness of gryphon, p99", _late, _ms, 0),
]


def changes(before: Document, after: Document) -> Markup:
    """The table."""
    head = element("tr", *(element("th", text(word), scope="col") for word in ("", "before", "after", "change")))
    body = []
    for name, value, shown, better in _ROWS:
        old, new = value(before), value(after)
        word, kind = change(old, new, better)
        cells = ["-" if one is None else shown(one) for one in (old, new)]
        body.append(
            element(
                "tr",
                element("th", text(name), scope="row"),
                *(element("td", text(cell)) for cell in cells),
                element("td", text(word), class_=kind or None),
            )
        )
    caption = f"What changed; marked where by more than {percent(MARKED)}"
    made = element("table", element("caption", text(caption)), element("thead", head), element("tbody", *body))
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)


def change(old: float | None, new: float | None, better: int) -> tuple[str, str]:
    """How much a value changed, and ``better``, ``worse`` or nothing.

    Args:
        better: whether more is better (1), worse (-1) or neither (0).
    """
    if old is None or new is None:
        return "", ""
    if old == new:
        return "none", ""
    if old == 0:
        kind = {1: "better", -1: "worse"}.get(better, "")
        return ", ".join(filter(None, ("new", kind))), kind
    part = (new - old) / abs(old)
    word = f"{part * 100:+.1f} %" if -1 <= part < 1 else f"x {new / old:,.3g}"
    if not better or abs(part) <= MARKED:
        return word, ""
    kind = "better" if part * better > 0 else "worse"
    return f"{word}, {kind}", kind
