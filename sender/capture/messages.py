"""A client's stream to messages: where one ends, what was waited for in front of it, and how long.

A message is a run of client bytes with no server bytes in between. A run is several messages when the client
paused: the next segment continues a message only within 200 ms (or two handshakes, on a slow path, where one
write takes several round trips) and only after a segment that does not look like the end of a write: without
PSH, or of full size.

Server bytes in the middle of a write, behind a full segment without PSH, were not waited for: they are
pushes. So are bytes after a pause of more than a second, bytes that began later than ``answer_within_ns``,
and bytes behind the close of the client.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import PSH, Array
from gryphon.sender.compiled import int64, kernel

_CONTINUES_NS = 200_000_000
_PUSH_AFTER_NS = 1_000_000_000
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
def _answer(
    segments: Array,
    order: npt.NDArray[np.uint32],
    bursts: Array,
    first: int,
    last: int,
    since: int,
    within: int,
) -> tuple[int, int, int, int]:
    """The answer to what ended at ``since``, among the BURST rows: (bytes, pushed, time of its end, pause)."""
    expect, pushed, longest = int64(0), int64(0), int64(0)
    end = since
    row = first
    while row < last and bursts["bytes"][row] == 0:
        row += 1
    first = row
    while row < last:
        now = segments["time_ns"][order[bursts["position"][row]]]
        if row == first:
            if now - since > within:
                break
        elif now - end > _PUSH_AFTER_NS:
            break
        else:
            longest = max(longest, now - end)
        end = max(end, now)
        expect += bursts["bytes"][row]
        row += 1
    while row < last:
        pushed += bursts["bytes"][row]
        row += 1
    return expect, pushed, end, longest


@kernel
def _write(
    messages: Array, n: int, stream_end: int, gap: int, expect: int, answer: int, longest: int, pushed: int
) -> None:
    messages["stream_end"][n] = stream_end
    messages["gap_ns"][n] = max(gap, 0)
    messages["expect"][n] = expect
    messages["answer_ns"][n] = answer
    messages["settle_ns"][n] = max(_SETTLE_NS, 2 * longest)
    messages["pushed"][n] = pushed


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
        while piece < piece_stop:
            position = pieces["written"][piece]
            start = segments["time_ns"][order[position]]
            heard = burst
            while burst < burst_stop and bursts["position"][burst] <= position:
                burst += 1
            limit = within if not in_write else int64(-1)
            expect, pushed, answered, longest = _answer(segments, order, bursts, heard, burst, since, limit)
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
                while burst < burst_stop and bursts["position"][burst] <= ahead and bursts["bytes"][burst] == 0:
                    burst += 1
                if burst < burst_stop and bursts["position"][burst] <= ahead:
                    break
            _write(
                messages,
                n,
                stream_end,
                start - answered,
                expect,
                answered - since if expect else 0,
                longest,
                pushed,
            )
            n += 1
            since = max(ended, since)
        counts[c] = n - before
        heard = burst
        if facts["end"][c] == 1 or facts["end"][c] == 2:
            while burst < burst_stop and bursts["position"][burst] <= facts["closed"][c]:
                burst += 1
        else:
            burst = burst_stop
        expect, pushed, answered, longest = _answer(segments, order, bursts, heard, burst, since, within)
        while burst < burst_stop:
            pushed += bursts["bytes"][burst]
            burst += 1
        gap = int64(0)
        if facts["end"][c] != 0:
            gap = segments["time_ns"][order[facts["closed"][c]]] - answered
        _write(messages, n, stream_end, gap, expect, answered - since if expect else 0, longest, pushed)
        n += 1
    return n
