"""A recording by services: what was asked of each, how often, how much at once, and with which pauses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gryphon.sender.capture.columns import Array
from gryphon.sender.capture.recording import REASONS, Recording, Verdict
from gryphon.sender.inspect.groups import Ints, Spread, peaks, spreads
from gryphon.sender.inspect.losses import Losses, losses
from gryphon.sender.inspect.pauses import Pauses, pauses
from gryphon.sender.inspect.protocol import guess, majority
from gryphon.sender.inspect.words import address

_ASKED = 64
"""Connections of one service whose beginnings are looked at, evenly spread over all that have any."""

_REQUEST = 4096
"""Bytes of a client's stream in which its first request ends, as a rule."""


@dataclass(frozen=True)
class Service:
    """One server address and port. The spreads are of its replayable sessions."""

    server: str
    port: int
    protocol: str
    sessions: int
    replayable: int
    messages: int
    client_bytes: int
    server_bytes: int
    start_ns: int  # its first packet, since the epoch
    end_ns: int
    peak: int  # connections at one time
    rejected: dict[str, int]
    lost: Losses
    think_ns: Spread  # from the end of what was waited for to the next message of the session
    message_bytes: Spread
    answer_bytes: Spread
    answer_ns: Spread  # from the end of a message to the last byte of its answer
    pauses: Pauses


@dataclass(frozen=True)
class _Entries:
    """Figures of the messages of all services, and which service each belongs to."""

    size: Ints
    size_of: Ints
    think: Ints
    think_of: Ints
    answer: Ints
    answer_ns: Ints
    answer_of: Ints


def services(recording: Recording) -> list[Service]:
    """Every service that a connection of the recording went to, the busiest first."""
    rows = recording.connections
    group, members = _by_server(rows)
    count = len(members)
    entries = _entries(recording, group)
    sizes = spreads(entries.size, entries.size_of, count)
    thinks = spreads(entries.think, entries.think_of, count)
    answers = spreads(entries.answer, entries.answer_of, count)
    answer_times = spreads(entries.answer_ns, entries.answer_of, count)
    clusters = pauses(entries.think, entries.think_of, count)
    most = peaks(rows["start_ns"], rows["end_ns"], group, count)
    said = np.any(rows["hello"], axis=1) | np.any(rows["greeting"], axis=1)
    found = []
    for number, which in enumerate(members):
        mine = rows[which]
        verdicts = np.bincount(mine["verdict"], minlength=len(Verdict))
        port = int(mine["server_port"][0])
        found.append(
            Service(
                server=address(mine["server_hi"][0], mine["server_lo"][0]),
                port=port,
                protocol=majority((protocol_of(recording, int(i)) for i in _some(which[said[which]])), port),
                sessions=len(mine),
                replayable=int(verdicts[Verdict.REPLAYABLE]),
                messages=sizes[number].count,
                client_bytes=int(mine["client_bytes"].sum()),
                server_bytes=int(mine["server_bytes"].sum()),
                start_ns=int(mine["start_ns"].min()),
                end_ns=int(mine["end_ns"].max()),
                peak=int(most[number]),
                rejected={reason: int(verdicts[Verdict[reason.upper()]]) for reason in REASONS},
                lost=losses(mine),
                think_ns=thinks[number],
                message_bytes=sizes[number],
                answer_bytes=answers[number],
                answer_ns=answer_times[number],
                pauses=clusters[number],
            )
        )
    return sorted(found, key=lambda each: (-each.sessions, -each.replayable, each.port, each.server))


def protocol_of(recording: Recording, connection: int) -> str | None:
    """What one connection's first bytes look like."""
    row = recording.connections[connection]
    request = b""
    if row["session"] >= 0:
        session = recording.sessions[row["session"]]
        start = int(session["payload"])
        request = recording.payload[start : start + min(int(session["length"]), _REQUEST)].tobytes()
    return guess(row["hello"].tobytes(), row["greeting"].tobytes(), request)


def _some(numbers: Ints) -> Ints:
    """At most _ASKED of them, evenly spread."""
    return numbers[:: -(-len(numbers) // _ASKED)] if len(numbers) else numbers


def _by_server(rows: Array) -> tuple[Ints, list[Ints]]:
    """Which service each connection went to, and the connections of each service in order."""
    columns = [rows[name] for name in ("server_port", "server_lo", "server_hi")]
    order = np.lexsort(columns)
    new = np.ones(len(rows), np.bool_)
    new[1:] = np.any([np.diff(column[order]) != 0 for column in columns], axis=0)
    group = np.empty(len(rows), np.int64)
    group[order] = np.cumsum(new) - 1
    return group, np.split(order, np.flatnonzero(new)[1:])


def _entries(recording: Recording, group: Ints) -> _Entries:
    """The columns of every message; an end has no size and no think time, but the answer in front of it counts."""
    sessions, rows = recording.sessions, recording.messages
    each = sessions["messages"].astype(np.int64) + 1
    of = np.repeat(group[sessions["connection"]], each)
    first = np.zeros(len(rows), np.bool_)
    first[np.cumsum(each) - each] = True
    end = np.zeros(len(rows), np.bool_)
    end[np.cumsum(each) - 1] = True
    stream_end = rows["stream_end"]
    before = np.zeros(len(rows), np.int64)
    before[1:] = stream_end[:-1]
    before[first] = 0
    later, answered = ~first & ~end, ~first & (rows["expect"] > 0)
    return _Entries(
        size=(stream_end - before)[~end],
        size_of=of[~end],
        think=rows["gap_ns"][later],
        think_of=of[later],
        answer=rows["expect"][answered],
        answer_ns=rows["answer_ns"][answered],
        answer_of=of[answered],
    )
