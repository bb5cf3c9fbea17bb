"""Connections to sessions: reassembled, judged and divided into messages, one batch of connections at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture import messages as turns
from gryphon.sender.capture import stream
from gryphon.sender.capture.columns import Array
from gryphon.sender.capture.files import forget
from gryphon.sender.capture.packets import Packets
from gryphon.sender.capture.recording import MESSAGE, SESSION
from gryphon.sender.capture.sessions import Order

_BATCH = 1 << 18
"""Packets whose connections are reassembled at once, so that the room for it stays bounded."""


@dataclass(frozen=True)
class Sessions:
    """The columns of a recording; see there."""

    sessions: Array
    messages: Array
    payload: npt.NDArray[np.uint8]


def build(packets: Packets, order: Order, connections: Array, rejected: dict[str, int], within: int) -> Sessions:
    """The replayable ones of the CONNECTION rows, in their order; counts the others in ``rejected`` by reason."""
    session_parts, message_parts = [np.zeros(0, SESSION)], [np.zeros(0, MESSAGE)]
    payload_parts = [np.zeros(0, np.uint8)]
    used = messages = 0
    for batch in _batches(connections):
        pieces, bursts, facts = _follow(packets.segments, order, batch)
        for index, reason in enumerate(stream.VERDICTS[1:], 1):
            rejected[reason] += int(np.count_nonzero(facts["verdict"] == index))
        good = facts["verdict"] == 0
        pieces = pieces[np.repeat(good, facts["pieces"])]
        bursts = bursts[np.repeat(good, facts["bursts"])]
        facts, batch = facts[good], batch[good]
        part, counts = _divide(packets.segments, order, pieces, bursts, facts, within)
        rows = _session_rows(packets, batch, facts, counts)
        rows["payload"] = used + np.cumsum(facts["length"]) - facts["length"]
        rows["first_message"] = messages + np.cumsum(counts + 1) - (counts + 1)
        session_parts.append(rows)
        message_parts.append(part)
        payload_parts.append(_payload(packets, pieces))
        used += len(payload_parts[-1])
        messages += len(part)
    return Sessions(np.concatenate(session_parts), np.concatenate(message_parts), np.concatenate(payload_parts))


def _batches(connections: Array) -> list[Array]:
    """Runs of connections with about _BATCH packets each, at least one connection."""
    if len(connections) == 0:
        return []
    behind = np.cumsum(connections["last"] - connections["first"])
    borders = np.flatnonzero(np.diff(behind // _BATCH)) + 1
    return [part for part in np.split(connections, borders) if len(part)]


def _follow(segments: Array, order: Order, batch: Array) -> tuple[Array, Array, Array]:
    room = int((batch["last"] - batch["first"]).sum())
    pieces, bursts = np.empty(2 * room, stream.PIECE), np.empty(room, stream.BURST)
    facts = np.zeros(len(batch), stream.FACTS)
    piece, burst = stream.follow(segments, order, batch, pieces, bursts, facts)
    return pieces[:piece], bursts[:burst], facts


def _divide(
    segments: Array, order: Order, pieces: Array, bursts: Array, facts: Array, within: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    messages = np.zeros(len(pieces) + len(facts), MESSAGE)
    counts = np.zeros(len(facts), np.int64)
    found = turns.divide(segments, order, pieces, bursts, facts, within, messages, counts)
    return messages[:found].copy(), counts


def _payload(packets: Packets, pieces: Array) -> npt.NDArray[np.uint8]:
    """The bytes of the pieces, one after the other, out of the maps."""
    stops = np.cumsum(pieces["length"])
    payload = np.empty(int(stops[-1]) if len(stops) else 0, np.uint8)
    for index, data in enumerate(packets.files):
        stream.gather(data, index, packets.segments, pieces, stops - pieces["length"], payload)
        forget(data)
    return payload


def _session_rows(packets: Packets, batch: Array, facts: Array, counts: npt.NDArray[np.int64]) -> Array:
    rows = np.zeros(len(batch), SESSION)
    syn = packets.segments[facts["syn"]]
    flow = packets.flows[batch["flow"]]
    client_is_a = batch["client"] == 0
    for part in ("hi", "lo"):
        a, b = flow[f"a_{part}"].view(np.uint64), flow[f"b_{part}"].view(np.uint64)
        rows[f"client_{part}"] = np.where(client_is_a, a, b)
        rows[f"server_{part}"] = np.where(client_is_a, b, a)
    rows["client_port"] = np.where(client_is_a, flow["a_port"], flow["b_port"])
    rows["server_port"] = np.where(client_is_a, flow["b_port"], flow["a_port"])
    rows["version"] = np.where((rows["client_hi"] == 0) & (rows["client_lo"] >> np.uint64(32) == 0xFFFF), 4, 6)
    rows["start_ns"] = syn["time_ns"]
    rows["syn_mss"], rows["syn_window"] = syn["mss"], syn["window"]
    rows["syn_window_scale"], rows["syn_options"] = syn["scale"], syn["options"]
    for name in ("handshake_ns", "length", "server_bytes", "end"):
        rows[name] = facts[name]
    rows["messages"] = counts
    return rows
