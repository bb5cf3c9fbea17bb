"""The first users that met each kind of trouble, as a person can look them up: address, port, session, message."""

from __future__ import annotations

from typing import Any

import numpy as np

from gryphon.sender.capture.recording import Recording
from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.examples import EACH, KINDS


def troubles(engine: Engine, recording: Recording) -> list[dict[str, Any]]:
    """Rows ``examples`` of the result file, in the order of kinds, each kind in the order of time."""
    rows = []
    for place in np.flatnonzero(engine.examples["used"]):
        example = engine.examples[place]
        rows.append(_row(KINDS[place // EACH], example, engine, recording))
    return rows


def _row(kind: str, example: Any, engine: Engine, recording: Recording) -> dict[str, Any]:
    """One example; the session is the number that ``gryphon inspect --session`` takes."""
    place, loop = int(example["row"]), int(example["loop"])
    address, port = engine.place(place, loop)
    user = engine.number(place)
    row = {
        "kind": kind,
        "address": str(address),
        "port": port,
        "user": user,
        "loop": loop,
        "session": session_number(recording, user),
        "message": int(example["message"]),
        "time_s": round(int(example["time_us"]) / 1e6, 6),
    }
    if kind == "other_size":
        row |= {"recorded_bytes": int(example["wanted"]), "bytes": int(example["got"])}
    if kind == "other_content":
        row["begins"] = _shown(example["begins"][: int(example["seen"])].tobytes())
    return row


def _shown(data: bytes) -> str:
    """Bytes as a person reads them: what is not printable ASCII as in a Python literal."""
    return repr(data)[2:-1]


def session_number(recording: Recording, user: int) -> int:
    """The number among the connections of all services in the files of the session that a user replays."""
    connection = recording.sessions["connection"][user % len(recording.sessions)]
    return int(recording.connections["number"][connection])
