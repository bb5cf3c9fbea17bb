"""The JSON of ``gryphon inspect``; ``inspect.schema.json`` beside this file describes every key."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from gryphon.sender.inspect.groups import Spread
from gryphon.sender.inspect.losses import Losses
from gryphon.sender.inspect.overview import Overview
from gryphon.sender.inspect.services import Service
from gryphon.sender.inspect.words import instant


def load_schema() -> dict[str, Any]:
    """The JSON schema."""
    text = resources.files("gryphon.sender.inspect").joinpath("inspect.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def document(overview: Overview) -> dict[str, Any]:
    """The object, its keys in the order of the schema."""
    return {
        "files": overview.files,
        "packets": overview.packets,
        "started": instant(overview.start_ns),
        "duration_s": _seconds(overview.end_ns - overview.start_ns),
        "sessions": {
            "recorded": overview.recorded,
            "replayable": overview.replayable,
            "rejected": overview.rejected,
        },
        "services": [_service(service) for service in overview.services],
        "lost": _losses(overview.lost),
        "send": overview.send,
    }


def to_json(overview: Overview) -> str:
    """The text of the file."""
    return json.dumps(document(overview), indent=1, allow_nan=False) + "\n"


def _service(service: Service) -> dict[str, Any]:
    return {
        "server": service.server,
        "port": service.port,
        "protocol": service.protocol,
        "sessions": service.sessions,
        "replayable": service.replayable,
        "messages": service.messages,
        "client_bytes": service.client_bytes,
        "server_bytes": service.server_bytes,
        "started": instant(service.start_ns),
        "duration_s": _seconds(service.end_ns - service.start_ns),
        "peak_concurrency": service.peak,
        "rejected": service.rejected,
        "lost": _losses(service.lost),
        "message_bytes": _spread(service.message_bytes),
        "answer_bytes": _spread(service.answer_bytes),
        "answer_ms": _spread(service.answer_ns, 1e6),
        "think_time_ms": _spread(service.think_ns, 1e6),
        "pauses": [{"ms": length / 1e6, "count": count} for length, count in service.pauses.frequent],
        "other_pauses": service.pauses.others,
    }


def _spread(spread: Spread, unit: float | None = None) -> dict[str, float | int | None]:
    values = {name: getattr(spread, name) for name in ("p50", "p90", "p99", "max")}
    if unit is not None:
        values = {name: None if value is None else value / unit for name, value in values.items()}
    return {"count": spread.count} | values


def _losses(losses: Losses) -> dict[str, Any]:
    seconds = [
        {"time": instant(second.start_ns), "connections": second.connections, "bytes": second.bytes}
        for second in losses.seconds
    ]
    return {"connections": losses.connections, "bytes": losses.bytes, "seconds": seconds}


def _seconds(nanoseconds: int) -> float:
    return nanoseconds / 1e9
