"""A client's stream to messages: where one ends, what was waited for in front of it, and how long.

A message is a run of client bytes with no server bytes in between that the client had seen (``waits``). A run is
several messages when the client paused: the next segment continues a message only within 200 ms (or two handshakes,
on a slow path, where one write takes several round trips) and only after a segment that does not look like the end of
a write: without PSH, or of full size.

Server bytes in the middle of a write, behind a full segment without PSH, were not waited for there either: like those
that a message had not seen they belong to the answer that a later message waits for, or the end. Bytes after a pause
of more than a second are pushes, and so are bytes that began later than ``answer_within_ns``, and those that the
client's close does not acknowledge.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import PSH, Array
from gryphon.sender.capture.waits import arrived, first_push, seen, take, told
from gryphon.sender.compiled import int64, kernel

_CONTINUES_NS = 200_000_000
_SETTLE_NS = 200_000_000


@kernel
def _full(segments: Array, i: int, facts: Array, c: int) -> bool:
    """Whether a segment is as large as the sender could make it: one MSS, or several that offload joined.

    Linux never sends more than half the peer's largest window in one segment (tcp_bound_to_half_wnd), which
    counts on loopback, where the MSS is larger than that.
    """
    size = facts["mss"][c] - (int64(segments["header"][i]) - 20)
    length = int64(segments["length"][i])
    if length == 0 or size <= 0:
        return False
    return bool(length % size == 0 or 0 < facts["half_window"][c] <= length)


@kernel
def _reaches_end(segments: Array, pieces: Array, j: int) -> bool:
    """Whether the piece has the last byte of its segment, to which PSH belongs."""
    return bool(pieces["skip"][j] + pieces["length"][j] == segments["length"][pieces["segment"][j]])


@kernel
def _bytes(bursts: Array, row: int, stop: int) -> int:
    """What the BURST rows have."""
    total = int64(0)
    while row < stop:
        total += bursts["bytes"][row]
        row += 1
    return total


@kernel
def _write(
    messages: Array,
    n: int,
    stream_end: int,
    gap: int,
    expect: int,
    answer: int,
    longest: int,
    pushed: int,
    overlaps: bool,
) -> None:
    messages["stream_end"][n] = stream_end
    messages["gap_ns"][n] = max(gap, 0)
    messages["expect"][n] = expect
    messages["answer_ns"][n] = answer if expect else 0
    messages["settle_ns"][n] = max(_SETTLE_NS, 2 * longest)
    messages["pushed"][n] = pushed
    messages["overlaps"][n] = overlaps


@kernel
def divide(
    segments: Array,
    order: npt.NDArray[np.uint32],
    pieces: Array,
    bursts: Array,
    facts: Array,
    within: int,
    messages: Array,
    counts: npt.NDArray[np.int64],
) -> int:
    """Write the MESSAGE rows of the connections in FACTS, all with at least one piece; gives how many.

    ``pieces`` and ``bursts`` are those of these connections, one after the other. ``counts`` becomes each
    one's messages, the end not counted. ``messages`` needs room for the pieces and an end each.
    """
    n, piece, burst = 0, 0, 0
    for c in range(len(facts)):
        piece_stop, burst_stop = piece + facts["pieces"][c], burst + facts["bursts"][c]
        patience = max(_CONTINUES_NS, 2 * facts["handshake_ns"][c])
        since = segments["time_ns"][order[facts["opened"][c]]]
        stream_end = int64(0)
        in_write = False
        before = n
        # the rows from ``burst`` on, but for its first ``used`` bytes, wait to be counted; those up to ``come`` are in
        # front of the message, ``heard`` bytes with all before them, of which ``counted`` have been counted
        come, used, heard, counted = burst, int64(0), int64(0), int64(0)
        while piece < piece_stop:
            position = pieces["written"][piece]
            start = segments["time_ns"][order[position]]
            new = come
            come, heard = arrived(bursts, come, burst_stop, position, heard)
            push = first_push(segments, order, bursts, new, come, since, within)
            known = seen(segments, order, pieces, piece, facts, c, heard)
            most = int64(0) if in_write else known - counted
            expect, answered, longest, burst, used = take(segments, order, bursts, burst, used, push, most, since)
            pushed = int64(0)
            if burst == push:
                pushed, burst = _bytes(bursts, push, come), come
            counted += expect + pushed
            known = max(known, counted)
            look, total = come, heard
            while True:  # to the end of the message
                i = pieces["segment"][piece]
                stream_end += pieces["length"][piece]
                ended = segments["time_ns"][order[pieces["written"][piece]]]
                pushes = bool(segments["flags"][i] & PSH) and _reaches_end(segments, pieces, piece)
                full = _full(segments, i, facts, c)
                piece += 1
                if piece >= piece_stop:
                    in_write = False
                    break
                ahead = pieces["written"][piece]
                soon = segments["time_ns"][order[ahead]] - ended <= patience
                in_write = soon and full and not pushes
                if not soon or (pushes and not full):
                    break
                look, total = arrived(bursts, look, burst_stop, ahead, total)
                if total > known and seen(segments, order, pieces, piece, facts, c, total) > known:
                    break
            overlaps = heard > counted
            _write(messages, n, stream_end, start - answered, expect, answered - since, longest, pushed, overlaps)
            n += 1
            since = max(ended, since)
        counts[c] = n - before
        new, stop = come, burst_stop
        known = facts["server_bytes"][c]
        if facts["end"][c] == 1 or facts["end"][c] == 2:
            stop, heard = arrived(bursts, come, burst_stop, facts["closed"][c], heard)
            known = told(segments, int64(order[facts["closed"][c]]), facts, c, heard)
        push = first_push(segments, order, bursts, new, stop, since, within)
        expect, answered, longest, burst, used = take(
            segments, order, bursts, burst, used, push, known - counted, since
        )
        pushed = _bytes(bursts, burst, burst_stop) - used
        burst = burst_stop
        gap = int64(0)
        if facts["end"][c] != 0:
            gap = segments["time_ns"][order[facts["closed"][c]]] - answered
        _write(messages, n, stream_end, gap, expect, answered - since, longest, pushed, False)
        n += 1
    return n
