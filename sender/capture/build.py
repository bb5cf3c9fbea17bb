"""Connections to sessions: reassembled, judged and divided into messages, one batch of connections at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture import answers, judge, logins, stream
from gryphon.sender.capture import messages as turns
from gryphon.sender.capture.arena import Arena
from gryphon.sender.capture.columns import Array
from gryphon.sender.capture.packets import Packets
from gryphon.sender.capture.recording import CONNECTION, HEAD, MESSAGE, SESSION, Rules, Verdict
from gryphon.sender.capture.sessions import Order
from gryphon.sender.capture.unpack import forget

_BATCH = 1 << 18
"""Packets whose connections are reassembled at once, so that the room for it stays bounded."""


@dataclass(frozen=True)
class Built:
    """The columns of a recording; see there."""

    connections: Array
    sessions: Array
    messages: Array
    payload: npt.NDArray[np.uint8]
    heads: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Followed:
    """The rows of ``stream.follow`` for a batch of connections; pieces and bursts stand one after the other."""

    runs: Array
    pieces: Array
    bursts: Array
    facts: Array

    def only(self, good: npt.NDArray[np.bool_]) -> _Followed:
        """Of these connections alone."""
        if good.all():
            return self
        pieces = self.pieces[np.repeat(good, self.facts["pieces"])]
        bursts = self.bursts[np.repeat(good, self.facts["bursts"])]
        return _Followed(self.runs[good], pieces, bursts, self.facts[good])


def build(packets: Packets, order: Order, runs: Array, rules: Rules) -> Built:
    """A CONNECTION row for each RUN row, in their order, and the sessions of those that are replayable."""
    connections = _connections(packets, runs)
    sessions, messages, payload, heads = Arena(SESSION), Arena(MESSAGE), Arena(np.uint8), Arena(np.uint8)
    for numbers in _batches(runs):
        followed = _follow(packets.segments, order, runs[numbers])
        verdicts = followed.facts["verdict"]
        if rules.keep_silent:
            verdicts[verdicts == Verdict.NO_CLIENT_DATA] = Verdict.REPLAYABLE
        began = _beginnings(packets, order, followed)
        chosen, part, counts = _divide(packets, order, followed, began["greeting"], rules)
        replayed = numbers[verdicts == Verdict.REPLAYABLE]
        rows = _sessions(packets, chosen, connections[replayed], counts)
        rows["payload"] = len(payload) + np.cumsum(chosen.facts["length"]) - chosen.facts["length"]
        rows["first_message"] = len(messages) + np.cumsum(counts + 1) - (counts + 1)
        rows["connection"] = replayed
        streams = payload.extend(int(chosen.facts["length"].sum()))
        _gather(packets, chosen.pieces, streams)
        connections[numbers] = _described(packets, order, followed, connections[numbers], began)
        connections["session"][replayed] = len(sessions) + np.arange(len(rows))
        connections["differing"][replayed] = _differing(packets, order, chosen, streams)
        if rules.answer_bytes and len(part):
            told = (chosen.runs, chosen.bursts, chosen.facts)
            found = answers.keep(packets, order, *told, part, counts, rules.answer_bytes)
            part["head"] += len(heads)
            heads.append(found)
        sessions.append(rows)
        messages.append(part)
    return Built(connections, sessions.rows(), messages.rows(), payload.rows(), heads.rows())


def _batches(runs: Array) -> list[npt.NDArray[np.int64]]:
    """Indexes of the connections that began in the capture, in runs of about _BATCH packets, at least one."""
    begun = np.flatnonzero(runs["known"] == 2)
    behind = np.cumsum((runs["last"] - runs["first"])[begun])
    borders = np.flatnonzero(np.diff(behind // _BATCH)) + 1
    return [part for part in np.split(begun, borders) if len(part)]


def _connections(packets: Packets, runs: Array) -> Array:
    """CONNECTION rows with what the packets' headers say."""
    rows = np.zeros(len(runs), CONNECTION)
    flow = packets.flows[runs["flow"]]
    client_is_a = runs["client"] == 0
    for part in ("hi", "lo"):
        a, b = flow[f"a_{part}"].view(np.uint64), flow[f"b_{part}"].view(np.uint64)
        rows[f"client_{part}"] = np.where(client_is_a, a, b)
        rows[f"server_{part}"] = np.where(client_is_a, b, a)
    for side, first in (("client", client_is_a), ("server", ~client_is_a)):
        rows[f"{side}_port"] = np.where(first, flow["a_port"], flow["b_port"])
        rows[f"{side}_bytes"] = np.where(first, runs["bytes"][:, 0], runs["bytes"][:, 1])
    rows["version"] = np.where((rows["client_hi"] == 0) & (rows["client_lo"] >> np.uint64(32) == 0xFFFF), 4, 6)
    rows["start_ns"], rows["end_ns"] = runs["start_ns"], runs["end_ns"]
    rows["packets"] = runs["last"] - runs["first"]
    rows["verdict"], rows["session"] = Verdict.NO_SYN, -1
    return rows


def _follow(segments: Array, order: Order, runs: Array) -> _Followed:
    room = int((runs["last"] - runs["first"]).sum())
    pieces, bursts = np.empty(2 * room, stream.PIECE), np.empty(room, stream.BURST)
    facts = np.zeros(len(runs), stream.FACTS)
    piece, burst = stream.follow(segments, order, runs, pieces, bursts, facts)
    return _Followed(runs, pieces[:piece], bursts[:burst], facts)


def _divide(
    packets: Packets, order: Order, followed: _Followed, greetings: npt.NDArray[np.uint8], rules: Rules
) -> tuple[_Followed, Array, npt.NDArray[np.int64]]:
    """The replayable ones, their MESSAGE rows and how many each has; sets the verdict where bytes forbid it."""
    verdicts = followed.facts["verdict"]
    while True:
        chosen = followed.only(verdicts == Verdict.REPLAYABLE)
        messages = np.zeros(len(chosen.pieces) + len(chosen.facts), MESSAGE)
        counts = np.zeros(len(chosen.facts), np.int64)
        columns = (chosen.pieces, chosen.bursts, chosen.facts)
        found = turns.divide(packets.segments, order, *columns, rules.answer_within_ns, messages, counts)
        hidden, challenged = np.zeros(len(chosen.facts), np.bool_), np.zeros(len(chosen.facts), np.bool_)
        if not rules.allow_encrypted:
            told = (packets.segments, chosen.pieces, chosen.facts, messages, counts)
            greeted = greetings[verdicts == Verdict.REPLAYABLE]
            for index, data in enumerate(packets.files):
                judge.encrypted(data, index, *told, hidden)
                logins.challenged(data, index, *told, greeted, challenged)
        if not hidden.any() and not challenged.any():
            return chosen, messages[:found].copy(), counts
        judged = np.flatnonzero(verdicts == Verdict.REPLAYABLE)
        verdicts[judged[challenged]] = Verdict.CHALLENGED
        verdicts[judged[hidden]] = Verdict.ENCRYPTED


def _gather(packets: Packets, pieces: Array, payload: npt.NDArray[np.uint8]) -> None:
    """Copy the bytes of the pieces, one after the other, out of the maps."""
    starts = np.cumsum(pieces["length"]) - pieces["length"]
    for index, data in enumerate(packets.files):
        stream.gather(data, index, packets.segments, pieces, starts, payload)
        forget(data)


def _differing(
    packets: Packets, order: Order, chosen: _Followed, payload: npt.NDArray[np.uint8]
) -> npt.NDArray[np.int64]:
    found = np.zeros(len(chosen.facts), np.int64)
    if chosen.facts["repeated"].any():
        for index, data in enumerate(packets.files):
            judge.differing(data, index, packets.segments, order, chosen.runs, chosen.facts, payload, found)
    return found


def _beginnings(packets: Packets, order: Order, followed: _Followed) -> dict[str, npt.NDArray[np.uint8]]:
    """The first HEAD bytes of what the clients ("hello") and the servers ("greeting") said, for each FACTS row."""
    facts, segments = followed.facts, packets.segments
    spoken, heard = np.full(len(facts), -1), np.full(len(facts), -1)
    said = facts["pieces"] > 0
    spoken[said] = followed.pieces["segment"][(np.cumsum(facts["pieces"]) - facts["pieces"])[said]]
    answered = facts["bursts"] > 0
    first = order[followed.bursts["position"][(np.cumsum(facts["bursts"]) - facts["bursts"])[answered]]]
    # else the capture has no more of them than the client's acknowledgement
    theirs = segments["direction"][first] != followed.runs["client"][answered]
    heard[answered] = np.where(theirs, first.astype(np.int64), -1)
    began = {name: np.zeros((len(facts), HEAD), np.uint8) for name in ("hello", "greeting")}
    for index, data in enumerate(packets.files):
        judge.heads(data, index, segments, spoken, began["hello"])
        judge.heads(data, index, segments, heard, began["greeting"])
    return began


def _described(
    packets: Packets, order: Order, followed: _Followed, rows: Array, began: dict[str, npt.NDArray[np.uint8]]
) -> Array:
    """The CONNECTION rows with what reassembly says of them."""
    facts = followed.facts
    rows["verdict"] = facts["verdict"]
    rows["client_bytes"], rows["server_bytes"] = facts["length"], facts["server_bytes"]
    holed = np.isin(facts["verdict"], (Verdict.MISSING_BYTES, Verdict.TRUNCATED))
    rows["missing"][holed] = facts["missing"][holed]
    rows["hole_ns"][holed] = packets.segments["time_ns"][order[facts["hole"][holed]]]
    for name, column in began.items():
        rows[name] = column
    return rows


def _sessions(packets: Packets, chosen: _Followed, described: Array, counts: npt.NDArray[np.int64]) -> Array:
    """SESSION rows of CONNECTION rows, but for what depends on the sessions before them."""
    rows = np.zeros(len(described), SESSION)
    for side in ("client", "server"):
        for part in ("hi", "lo", "port"):
            rows[f"{side}_{part}"] = described[f"{side}_{part}"]
    rows["version"] = described["version"]
    syn = packets.segments[chosen.facts["syn"]]
    rows["start_ns"] = syn["time_ns"]
    rows["syn_mss"], rows["syn_window"] = syn["mss"], syn["window"]
    rows["syn_window_scale"], rows["syn_options"] = syn["scale"], syn["options"]
    for name in ("handshake_ns", "length", "server_bytes", "end"):
        rows[name] = chosen.facts[name]
    rows["messages"] = counts
    return rows
