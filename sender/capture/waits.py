"""Which of the server's bytes a message waited for: those that its segment acknowledges, unless they are pushes.

A segment with data carries the number up to which its sender has received (RFC 9293 3.8.6), so a client that has read
an answer acknowledges it in what it writes then. Server bytes in front of a message in the capture, but behind its
acknowledgement, had not been seen: they were on their way from a capture at the server, or in the client's stack, and
a later message waits for them. A capture in which the client never acknowledges a byte tells nothing of the kind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ACK, Array
from gryphon.sender.capture.stream import FARTHEST_SERVER, unwrap
from gryphon.sender.compiled import int64, kernel

_PUSH_AFTER_NS = 1_000_000_000


@kernel
def told(segments: Array, i: int, facts: Array, c: int, heard: int) -> int:
    """How many of the ``heard`` bytes that had come the client's segment ``i`` acknowledges."""
    if facts["acknowledged"][c] <= 0 or not int64(segments["flags"][i]) & ACK:
        return int64(heard)
    offset = unwrap(int64(segments["ack"][i]), facts["server_base"][c], heard)
    if abs(offset - heard) > FARTHEST_SERVER:
        return int64(heard)
    return int64(min(max(offset, 0), heard))


@kernel
def seen(
    segments: Array, order: npt.NDArray[np.uint32], pieces: Array, piece: int, facts: Array, c: int, heard: int
) -> int:
    """How many of the ``heard`` bytes the client had received when it wrote the piece.

    Both segments count: a piece that was sent again later acknowledges more than its writer had seen, and one that the
    capture has behind its successor less than that.
    """
    own = told(segments, pieces["segment"][piece], facts, c, heard)
    return int64(min(own, told(segments, int64(order[pieces["written"][piece]]), facts, c, heard)))


@kernel
def arrived(bursts: Array, row: int, stop: int, position: int, heard: int) -> tuple[int, int]:
    """The first BURST row from ``row`` on that came behind ``position``, and the bytes in front of it."""
    while row < stop and bursts["position"][row] <= position:
        heard += bursts["bytes"][row]
        row += 1
    return row, heard


@kernel
def first_push(
    segments: Array, order: npt.NDArray[np.uint32], bursts: Array, row: int, stop: int, since: int, within: int
) -> int:
    """The first of the BURST rows behind what ended at ``since`` that does not answer it, or ``stop``."""
    while row < stop and bursts["bytes"][row] == 0:
        row += 1
    end, patience = since, within
    while row < stop:
        now = segments["time_ns"][order[bursts["position"][row]]]
        if now - end > patience:
            break
        end, patience = max(end, now), int64(_PUSH_AFTER_NS)
        row += 1
    return row


@kernel
def take(
    segments: Array,
    order: npt.NDArray[np.uint32],
    bursts: Array,
    row: int,
    used: int,
    stop: int,
    most: int,
    since: int,
) -> tuple[int, int, int, int, int]:
    """The next ``most`` bytes of the BURST rows up to ``stop``, of whose first ``used`` have been taken.

    Gives (bytes, time of the last or ``since``, longest pause, row, used). Repetitions prolong what has begun.
    """
    taken, longest, latest = int64(0), int64(0), int64(0)
    end = since
    while row < stop:
        size = bursts["bytes"][row] - used
        part = min(size, most - taken)
        if size > 0 and part <= 0:
            break
        if taken > 0 or size > 0:
            now = segments["time_ns"][order[bursts["position"][row]]]
            if taken > 0:
                longest = max(longest, now - latest)
                now = max(now, latest)
            latest = now
            end = max(end, now)
        taken += part
        if part < size:
            used += part
            break
        row, used = row + 1, int64(0)
    return taken, end, longest, row, used
