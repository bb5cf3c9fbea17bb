"""Capture files to a recording: the whole way, and a sentence when there is nothing to replay."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.capture import messages as turns
from gryphon.sender.capture import sessions, stream
from gryphon.sender.capture.columns import Array
from gryphon.sender.capture.packets import Packets, read
from gryphon.sender.capture.recording import MESSAGE, REASONS, SESSION, Recording

_log = logging.getLogger(__name__)

_BATCH = 1 << 18
"""Packets whose connections are reassembled at once, so that the room for it stays bounded."""

ANSWER_WITHIN_NS = 10_000_000_000
"""A server that begins to speak later than this after a message does not answer it."""


def load(files: list[str], ports: Collection[int] | None, answer_within_ns: int = ANSWER_WITHIN_NS) -> Recording:
    """All replayable sessions to the server ``ports`` (None: to any) of the files, taken as one recording.

    InputFault, one sentence: a file that is missing, no capture or of an unknown link type; no session for
    the ports; none that can be replayed, with the reasons.
    """
    if not files:
        raise InputFault("no capture file was named; give one with -f")
    packets = read(files)
    connections, order = sessions.split(packets.segments, len(packets.flows))
    wanted = None if ports is None else np.array(sorted(ports), np.int64)
    server_port = sessions.server_ports(connections, packets.flows, wanted)
    known = {int(port): int(n) for port, n in zip(*np.unique(server_port, return_counts=True), strict=True)}
    chosen = np.ones(len(connections), bool) if wanted is None else np.isin(server_port, wanted)
    _check_ports(files, packets.frames, known, wanted)
    whole = chosen & (connections["known"] == 2)
    rejected = dict.fromkeys(REASONS, 0)
    rejected["no_syn"] = int(np.count_nonzero(chosen & ~whole))
    candidates = connections[whole]
    candidates = candidates[np.argsort(candidates["start_ns"], kind="stable")]
    built = _build(packets, order, candidates, rejected, answer_within_ns)
    if len(built.sessions) == 0:
        raise InputFault(_nothing_replayable(files, ports, int(np.count_nonzero(chosen)), rejected))
    return Recording(
        sessions=built.sessions,
        messages=built.messages,
        payload=built.payload,
        recorded=int(np.count_nonzero(chosen)),
        rejected=rejected,
        packets=packets.frames,
        files=list(files),
        ports=known,
    )


@dataclass
class _Built:
    sessions: Array
    messages: Array
    payload: npt.NDArray[np.uint8]


def _build(
    packets: Packets, order: sessions.Order, connections: Array, rejected: dict[str, int], within: int
) -> _Built:
    """Reassemble the connections batch by batch; counts those that cannot be replayed in ``rejected``."""
    payload = np.empty(_most_payload(packets.segments), np.uint8)  # pages that stay empty cost nothing
    session_parts, message_parts = [np.zeros(0, SESSION)], [np.zeros(0, MESSAGE)]
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
        starts = used + np.cumsum(facts["length"]) - facts["length"]
        _copy(packets, pieces, used, payload)
        rows = _session_rows(packets, batch, facts, counts)
        rows["payload"] = starts
        rows["first_message"] = messages + np.cumsum(counts + 1) - (counts + 1)
        session_parts.append(rows)
        message_parts.append(part)
        used += int(facts["length"].sum())
        messages += len(part)
    return _Built(np.concatenate(session_parts), np.concatenate(message_parts), payload[:used])


def _most_payload(segments: Array) -> int:
    return int(segments["captured"].sum(dtype=np.int64))


def _batches(connections: Array) -> list[Array]:
    """Runs of connections with about _BATCH packets each, at least one connection."""
    if len(connections) == 0:
        return []
    behind = np.cumsum(connections["last"] - connections["first"])
    borders = np.flatnonzero(np.diff(behind // _BATCH)) + 1
    return [part for part in np.split(connections, borders) if len(part)]


def _follow(segments: Array, order: sessions.Order, batch: Array) -> tuple[Array, Array, Array]:
    room = int((batch["last"] - batch["first"]).sum())
    pieces, bursts = np.empty(2 * room, stream.PIECE), np.empty(room, stream.BURST)
    facts = np.zeros(len(batch), stream.FACTS)
    piece, burst = stream.follow(segments, order, batch, pieces, bursts, facts)
    return pieces[:piece], bursts[:burst], facts


def _divide(
    segments: Array, order: sessions.Order, pieces: Array, bursts: Array, facts: Array, within: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    messages = np.zeros(len(pieces) + len(facts), MESSAGE)
    counts = np.zeros(len(facts), np.int64)
    found = turns.divide(segments, order, pieces, bursts, facts, within, messages, counts)
    return messages[:found].copy(), counts


def _copy(packets: Packets, pieces: Array, used: int, payload: npt.NDArray[np.uint8]) -> None:
    starts = used + np.cumsum(pieces["length"]) - pieces["length"]
    for index, data in enumerate(packets.files):
        stream.gather(data, index, packets.segments, pieces, starts, payload)


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


def _check_ports(files: list[str], frames: int, known: dict[int, int], wanted: npt.NDArray[np.int64] | None) -> None:
    names = ", ".join(files)
    if not known:
        raise InputFault(f"no TCP connection in {names} ({_counted(frames, 'packet')})")
    if wanted is None:
        return
    missing = [int(port) for port in wanted if int(port) not in known]
    if len(missing) == len(wanted):
        raise InputFault(f"no session to port {_either(missing)} in {names}; it has {_listed(known)}")
    for port in missing:
        _log.warning("no session to port %d in %s", port, names)


def _either(ports: list[int]) -> str:
    return " or ".join(str(port) for port in ports)


def _listed(known: dict[int, int], most: int = 10) -> str:
    """The busiest ports with their sessions: "port 80 (43 sessions), port 21 (1 session)"."""
    busiest = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"port {port} ({_counted(n, 'session')})" for port, n in busiest[:most])
    more = len(busiest) - most
    return f"{text} and {more} more ports" if more > 0 else text


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _nothing_replayable(
    files: list[str], ports: Collection[int] | None, recorded: int, rejected: dict[str, int]
) -> str:
    to = "" if ports is None else f" to port {_either(sorted(ports))}"
    why = "; ".join(f"{reason} {count} ({REASONS[reason]})" for reason, count in rejected.items() if count)
    which = f"the one session{to}" if recorded == 1 else f"none of the {recorded} sessions{to}"
    can = "cannot" if recorded == 1 else "can"
    return f"{which} in {', '.join(files)} {can} be replayed: {why}"
