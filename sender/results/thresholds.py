"""``--fail-if``: conditions on the result that make a run fail, such as ``p99>200ms`` or ``failed>=0.1%``.

    condition = path operator number [unit]      operator = > >= < <=      unit = us ms s %

A path is dotted, into the result file (``packets.ring_lost``), or an alias below. A number without a unit counts in
what the path is in (``latency_ms``: milliseconds; a share: 0 to 1). A condition on something that was never measured
(p99 of no answer at all) counts as broken: nobody may read a pass into nothing.
"""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from gryphon.controller.errors import InputFault
from gryphon.sender.results.human import percent

DEFAULT = "failed>1%"
OFF = "none"

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(>=|<=|>|<)\s*(\d+\.?\d*|\.\d+)\s*([A-Za-z%]*)\s*")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}

ALIASES = {
    **{name: f"latency_ms.response.intended.{name}" for name in ("p50", "p90", "p99", "p999")},
    **{f"lateness.{name}": f"pacing.late_{name}_us" for name in ("p50", "p99", "max")},
}
"""Short names of paths."""


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


_SHARES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "failed": lambda result: _share(sum(result["users"]["failed"].values()), result["users"]["started"]),
    "failed_sessions": lambda result: _share(
        sum(result["sessions_run"]["failed"].values()), result["sessions_run"]["started"]
    ),
    "mismatched": lambda result: _share(result["messages"]["mismatched"], result["messages"]["answered"]),
}


class Threshold(NamedTuple):
    """One condition, checked and ready."""

    text: str
    path: str  # into the result file, or the name of a share
    comparison: str
    limit: float  # in what the path is in


def parse_all(texts: Sequence[str]) -> list[Threshold]:
    """The conditions of all ``--fail-if`` options (each may hold several, by commas).

    None given means ``failed>1%``; ``none`` alone means no condition. Raises ``InputFault``.
    """
    parts = [part.strip() for text in texts or [DEFAULT] for part in text.split(",")]
    if OFF in parts:
        if len(parts) > 1:
            raise InputFault("--fail-if none stands alone: leave it out or leave the conditions out")
        return []
    return [parse(part) for part in parts]


def parse(text: str) -> Threshold:
    """One condition; ``InputFault`` says what is wrong with it."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise InputFault(f"--fail-if {text!r} is not a condition: write it like 'failed>1%' or 'p99>=200ms'")
    name, comparison, number, unit = match.groups()
    path = ALIASES.get(name, name)
    if path not in _SHARES:
        _check_path(text, path)
    return Threshold(text, path, comparison, float(number) * _factor(text, path, unit))


def _factor(text: str, path: str, unit: str) -> float:
    """What a number with this unit is to be multiplied with to be in what the path is in."""
    if not unit:
        return 1.0
    if unit == "%" and path in _SHARES:
        return 0.01
    own = _time_unit(path)
    if unit in _SECONDS and own is not None:
        return _SECONDS[unit] / _SECONDS[own]
    fitting = f"give {', '.join(_SECONDS)} or none" if own else "leave the unit out"
    if path in _SHARES:
        fitting = "give % or none"
    elif unit == "%":
        fitting += f" (shares are {', '.join(_SHARES)})"
    raise InputFault(f"--fail-if {text!r}: the unit {unit!r} does not fit {path}: {fitting}")


def _time_unit(path: str) -> str | None:
    """The unit of time that a path's keys carry, None where it is no time."""
    parts = path.split(".")
    if parts[-1] == "count":
        return None
    ends = [part.rpartition("_")[2] for part in parts if "_" in part]
    return next((end for end in reversed(ends) if end in _SECONDS), None)


@functools.cache
def load_schema() -> dict[str, Any]:
    """The JSON schema of the result file."""
    text = resources.files("gryphon.sender.results").joinpath("result.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _check_path(text: str, path: str) -> None:
    """Raise ``InputFault`` unless the schema has a number at the path."""
    schema = load_schema()
    node: Any = schema
    for key in path.split("."):
        node = node.get("properties", {}).get(key) or node.get("additionalProperties") or {}
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    kinds = node.get("type", [])
    if not {"number", "integer"} & set([kinds] if isinstance(kinds, str) else kinds):
        short = ", ".join([*_SHARES, *ALIASES])
        raise InputFault(f"--fail-if {text!r}: the result has no number {path!r}; short names are {short}")


def _value(result: Mapping[str, Any], path: str) -> float | None:
    """The number at a path; 0 for a reason or status that never occurred, None for what was not measured."""
    if path in _SHARES:
        return _SHARES[path](result)
    node: Any = result
    for key in path.split("."):
        node = node.get(key, 0) if isinstance(node, Mapping) else node
    return None if node is None else float(node)


def evaluate(thresholds: Sequence[Threshold], result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows ``thresholds`` of the result file: text, value (in what the path is in), broken."""
    rows = []
    for threshold in thresholds:
        value = _value(result, threshold.path)
        broken = value is None or _OPERATORS[threshold.comparison](value, threshold.limit)
        rows.append({"text": threshold.text, "value": value, "broken": broken})
    return rows


def worded_value(row: Mapping[str, Any]) -> str:
    """The value of such a row with its unit: ``2.5 %``, ``312 ms``, ``17``."""
    if row["value"] is None:
        return "not measured"
    path = parse(row["text"]).path
    if path in _SHARES:
        return percent(row["value"])
    return f"{row['value']:,.6g} {_time_unit(path) or ''}".rstrip()
