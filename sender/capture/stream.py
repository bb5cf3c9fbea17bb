"""A connection's packets to the client's stream and the server's bursts, as RFC 9293 3.10.7.4 reassembles them.

Client half: bytes are taken in sequence order, and of several copies of one byte the first in the capture
wins. What repeats earlier bytes (retransmissions, overlaps, keep-alive probes) adds nothing.

A byte cannot have been written after a later byte of the stream was sent. So the *written* position of a
piece is the earliest position, among it and all pieces behind it in the stream, at which one was captured; a
segment that was lost and sent again much later still counts as written with its neighbours.

Server half: only how many bytes had come when. Sequence numbers tell that, and the client's acknowledgements,
so bytes that the capture lost are counted too. A repetition of what the client has not acknowledged is a burst
of no bytes: the answer was still under way.

A reset counts where the stream of its sender ends (RFC 5961 section 3.2). Others, such as the guesses of a box on the
way, are nothing but the end of a connection on which nothing else follows.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ACK, FIN, RST, SYN, Array
from gryphon.sender.capture.recording import Verdict
from gryphon.sender.compiled import inner, int64, kernel

PIECE = np.dtype(
    [
        ("segment", "i8"),  # index of the segment that the bytes are taken from
        ("skip", "i8"),  # bytes of its payload in front of them
        ("length", "i8"),
        ("written", "i8"),  # position in the order at which the bytes had been written
    ]
)
"""Consecutive bytes of a client's stream, in stream order."""

BURST = np.dtype([("position", "i8"), ("bytes", "i8")])
"""New server bytes (none: a repetition), and the position in the order at which they came."""

FACTS = np.dtype(
    [
        ("pieces", "i8"),  # how many rows this connection has in the PIECE array
        ("bursts", "i8"),
        ("length", "i8"),  # of the client's stream
        ("server_bytes", "i8"),
        ("server_base", "i8"),  # sequence number of the server's first byte, -1 unknown
        ("acknowledged", "i8"),  # how many of them the client acknowledges in the end
        ("syn", "i8"),  # segment of the first SYN
        ("opened", "i8"),  # position at which the handshake was complete for the client
        ("handshake_ns", "i8"),
        ("closed", "i8"),  # position of the first FIN or RST
        ("mss", "i8"),  # largest client segment that the handshake allows, without the options of a segment
        ("half_window", "i8"),  # half the largest window that the server offered, 0 unknown
        ("missing", "i8"),  # client bytes in the first hole of the stream
        ("hole", "i8"),  # position of the first packet behind that hole
        ("repeated", "u1"),  # some client byte came more than once
        ("end", "u1"),  # recording.End
        ("verdict", "u1"),  # recording.Verdict
    ]
)
"""What else one connection's packets say."""

_REPLAYABLE, _NO_HANDSHAKE, _MISSING_BYTES, _TRUNCATED, _NO_CLIENT_DATA = (
    int(Verdict[name]) for name in ("REPLAYABLE", "NO_HANDSHAKE", "MISSING_BYTES", "TRUNCATED", "NO_CLIENT_DATA")
)

_MODULUS = 1 << 32
_FARTHEST_CLIENT = 1 << 30  # the largest window there is (RFC 7323 2.3): farther away is another connection's
FARTHEST_SERVER = 1 << 26  # less, since a stray here would make users wait for bytes that never come
_DEFAULT_MSS = 536  # RFC 9293 3.7.1


@kernel
def unwrap(number: int, base: int, near: int) -> int:
    """Offset of a sequence number from ``base`` in a stream of any length, the one closest to ``near``."""
    distance = (number - base - near) % _MODULUS
    if distance >= _MODULUS // 2:
        distance -= _MODULUS
    return near + distance


@inner
def _by_start(raw: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Indexes of the first ``count`` rows by their starts, equal ones in their order: runs of 1, 2, 4, ... are merged.

    numpy's own takes seven times as long to compile, a tenth of all that reads captures.
    """
    rows, merged = np.arange(count), np.empty(count, np.int64)
    width = int64(1)
    while width < count:
        for low in range(0, count, 2 * width):
            left, right = int64(low), min(low + width, count)
            middle, stop = right, min(right + width, count)
            for at in range(low, stop):
                if left < middle and (right >= stop or raw[rows[left], 0] <= raw[rows[right], 0]):
                    merged[at] = rows[left]
                    left += 1
                else:
                    merged[at] = rows[right]
                    right += 1
        rows, merged = merged, rows
        width *= 2
    return rows


@kernel
def _first_copies(raw: npt.NDArray[np.int64], count: int, pieces: Array, at: int) -> tuple[int, int]:
    """Overlapping pieces in arrival order to disjoint ones in stream order, up to the first hole.

    ``raw`` has the columns start, end, segment, skip, position. Writes at most 2 x ``count`` PIECE rows from
    ``at`` on; gives (rows, length of the stream). A sweep over the starts with a heap of the pieces that
    cover the current byte, the one captured first on top: n log n however the pieces lie.
    """
    by_start = _by_start(raw, count)
    covering = [int64(0)]
    covering.pop()
    byte = int64(0)
    rows, following = int64(0), int64(0)
    last = int64(-1)
    while True:
        while following < count and raw[by_start[following], 0] <= byte:
            heapq.heappush(covering, by_start[following])
            following += 1
        while len(covering) > 0 and raw[covering[0], 1] <= byte:
            heapq.heappop(covering)
        if len(covering) == 0:
            return rows, byte
        best = covering[0]
        until = raw[best, 1]
        if following < count:
            until = min(until, raw[by_start[following], 0])
        if best == last:
            pieces["length"][at + rows - 1] += until - byte
        else:
            pieces["segment"][at + rows] = raw[best, 2]
            pieces["skip"][at + rows] = raw[best, 3] + byte - raw[best, 0]
            pieces["length"][at + rows] = until - byte
            pieces["written"][at + rows] = raw[best, 4]
            rows += 1
        last = best
        byte = until


@kernel
def _in_order(raw: npt.NDArray[np.int64], count: int, pieces: Array, at: int) -> tuple[int, int]:
    """As ``_first_copies`` for pieces that already are disjoint and in stream order: the common case."""
    byte = int64(0)
    for j in range(count):
        pieces["segment"][at + j] = raw[j, 2]
        pieces["skip"][at + j] = raw[j, 3]
        pieces["length"][at + j] = raw[j, 1] - raw[j, 0]
        pieces["written"][at + j] = raw[j, 4]
        byte = raw[j, 1]
    return count, byte


@kernel
def _first_hole(raw: npt.NDArray[np.int64], count: int, length: int, sent: int, last: int) -> tuple[int, int]:
    """Bytes of the hole behind a stream's first ``length`` bytes, and the position at which it showed."""
    size, position = sent - length, last
    for j in range(count):
        if raw[j, 0] > length:
            size = min(size, raw[j, 0] - length)
            position = min(position, raw[j, 4])
    return size, position


@kernel
def _follow(
    segments: Array,
    order: npt.NDArray[np.uint32],
    connection: Array,
    c: int,
    pieces: Array,
    piece: int,
    bursts: Array,
    burst: int,
    facts: Array,
) -> tuple[int, int]:
    """Reassemble connection ``c``; gives the next free rows of ``pieces`` and ``bursts``."""
    first, last = int64(connection["first"][c]), int64(connection["last"][c])
    client = int64(connection["client"][c])
    raw = np.empty((last - first, 5), np.int64)
    count = 0
    orderly, cut, repeated = True, False, False
    frontier, highest, needed = (
        int64(0),
        int64(0),
        int64(0),
    )  # client offsets: gapless, sent, known to exist
    base, server_base = (
        int64(-1),
        int64(-1),
    )  # sequence number of the first byte of each stream, -1 unknown
    server_highest, server_fin, acknowledged = int64(0), int64(-1), int64(0)
    syn, syn_ack, opened, closed = int64(-1), int64(-1), int64(-1), int64(-1)
    stray, stray_end, spoken = int64(-1), 0, int64(-1)  # a reset somewhere else; the latest data of the client
    latest_syn = int64(-1)
    end = 0
    client_mss, server_mss, server_scale, window = int64(0), int64(0), int64(0), int64(0)
    scaled, bursts_before = False, burst
    for k in range(first, last):
        i = int64(order[k])
        flags = int64(segments["flags"][i])
        seq = int64(segments["seq"][i])
        ack = int64(segments["ack"][i])
        length = int64(0) if flags & RST else int64(segments["length"][i])
        if int64(segments["direction"][i]) == client:
            if flags & SYN:
                if flags & (ACK | RST):
                    continue
                if syn < 0:
                    syn, base = i, seq + 1
                    client_mss = int64(segments["mss"][i])
                    scaled = segments["scale"][i] != 255
                if syn_ack < 0:
                    latest_syn = i
                seq += 1
            if base < 0:
                continue
            offset = unwrap(seq, base, highest)
            if abs(offset - highest) > _FARTHEST_CLIENT:
                continue
            if flags & (SYN | ACK | RST) == ACK:
                if opened < 0:
                    opened = k
                    if length > 0 and syn_ack >= 0:
                        opened = syn_ack
                    if server_base < 0:
                        server_base = ack
                told = unwrap(ack, server_base, server_highest)
                if told - acknowledged <= FARTHEST_SERVER:
                    acknowledged = max(acknowledged, told)
                # One byte more than seen may be a FIN that the capture has lost.
                if server_fin < 0 and 1 < told - server_highest <= FARTHEST_SERVER:
                    bursts["position"][burst] = k
                    bursts["bytes"][burst] = told - server_highest
                    burst += 1
                    server_highest = told
            if length > 0:
                usable = min(int64(segments["captured"][i]), length)
                start, stop = max(offset, 0), offset + usable
                cut |= usable < length
                highest = max(highest, offset + length)
                spoken = k
                if start > frontier:
                    orderly = False
                elif orderly:
                    repeated |= start < frontier and length > 1  # one byte may be a keep-alive probe's
                    start = max(start, frontier)
                if stop > start:
                    raw[count, 0], raw[count, 1], raw[count, 2] = start, stop, i
                    raw[count, 3], raw[count, 4] = start - offset, k
                    count += 1
                    if orderly:
                        frontier = stop
            if flags & FIN:
                needed = max(needed, offset + length)
            if closed < 0 and opened >= 0 and flags & (FIN | RST):
                if flags & RST and offset != highest:
                    stray, stray_end = k, 2
                else:
                    closed = k
                    end = 2 if flags & RST else 1
            continue
        if base < 0:
            continue
        if flags & SYN:
            if not flags & ACK or flags & RST:
                continue
            if opened < 0:
                syn_ack, server_base = k, seq + 1
                server_mss = int64(segments["mss"][i])
                scaled &= segments["scale"][i] != 255
                server_scale = int64(segments["scale"][i]) if scaled else int64(0)
            window = max(window, int64(segments["window"][i]))
            seq += 1
        elif server_base >= 0:
            window = max(window, int64(segments["window"][i]) << server_scale)
        if flags & ACK and not flags & RST:
            told = unwrap(ack, base, highest)
            if abs(told - highest) <= _FARTHEST_CLIENT:
                needed = max(needed, told - 1)  # a lost FIN may be the last byte
        if server_base < 0:
            continue
        offset = unwrap(seq, server_base, server_highest)
        if abs(offset - server_highest) > FARTHEST_SERVER:
            continue
        stop = offset + length
        if server_fin >= 0:
            stop = min(stop, server_fin)
        reset = flags & RST
        refills = length > 0 and acknowledged < stop <= server_highest
        if closed < 0 and opened >= 0 and reset and offset != server_highest:
            stray, stray_end = k, 4
        elif closed < 0 and opened >= 0 and flags & (FIN | RST):
            closed = k
            end = 4 if reset else 3
        if reset:  # its number is no byte that came
            continue
        if refills or stop > server_highest + (length == 0):  # without data: one byte more may be a FIN that is lost
            bursts["position"][burst] = k
            bursts["bytes"][burst] = max(stop - server_highest, 0)
            burst += 1
            server_highest = max(stop, server_highest)
        if flags & FIN and server_fin < 0:
            server_fin = offset + length
    if closed < 0 and stray > spoken:
        closed, end = stray, stray_end
    if orderly:
        rows, length = _in_order(raw, count, pieces, piece)
    else:
        rows, length = _first_copies(raw, count, pieces, piece)
    for j in range(piece + rows - 2, piece - 1, -1):
        pieces["written"][j] = min(pieces["written"][j], pieces["written"][j + 1])
    if opened < 0:
        verdict = _NO_HANDSHAKE
    elif length < max(highest, needed):
        verdict = _TRUNCATED if cut else _MISSING_BYTES
    elif length == 0:
        verdict = _NO_CLIENT_DATA
    else:
        verdict = _REPLAYABLE
    facts["missing"][c], facts["hole"][c] = _first_hole(raw, count, length, max(highest, needed), last - 1)
    facts["repeated"][c] = repeated or not orderly
    facts["pieces"][c] = rows
    facts["bursts"][c] = burst - bursts_before
    facts["length"][c] = length
    facts["server_bytes"][c] = server_highest
    facts["server_base"][c] = server_base
    facts["acknowledged"][c] = acknowledged
    facts["syn"][c] = syn
    facts["opened"][c] = opened
    facts["closed"][c] = closed
    facts["handshake_ns"][c] = 0
    if syn_ack >= 0 and latest_syn >= 0:
        took = segments["time_ns"][order[syn_ack]] - segments["time_ns"][latest_syn]
        facts["handshake_ns"][c] = max(took, 0)
    facts["mss"][c] = min(client_mss if client_mss else _DEFAULT_MSS, server_mss if server_mss else _DEFAULT_MSS)
    facts["half_window"][c] = window // 2
    facts["end"][c] = end
    facts["verdict"][c] = verdict
    return piece + rows, burst


@kernel
def follow(
    segments: Array,
    order: npt.NDArray[np.uint32],
    connections: Array,
    pieces: Array,
    bursts: Array,
    facts: Array,
) -> tuple[int, int]:
    """Fill a FACTS row per RUN row, and PIECE and BURST rows in the same order; gives how many.

    ``pieces`` needs room for twice, ``bursts`` for once the packets of all the connections.
    """
    piece, burst = int64(0), int64(0)  # one type from the start, or the whole kernel is compiled twice
    for c in range(len(connections)):
        piece, burst = _follow(segments, order, connections, c, pieces, piece, bursts, burst, facts)
    return piece, burst


@kernel
def _copy(target: npt.NDArray[np.uint8], source: npt.NDArray[np.uint8]) -> None:
    """Copy byte by byte, which LLVM makes wide copies of only between slices that begin at 0.

    Seven times as fast as the same loop over offsets; a slice assignment takes ten times as long to compile.
    """
    for byte in range(len(target)):
        target[byte] = source[byte]


@kernel
def gather(
    data: npt.NDArray[np.uint8],
    file: int,
    segments: Array,
    pieces: Array,
    starts: npt.NDArray[np.int64],
    payload: npt.NDArray[np.uint8],
) -> None:
    """Copy the pieces that stand in ``file`` from its map to ``payload``, each to its offset in ``starts``."""
    for j in range(len(pieces)):
        i = pieces["segment"][j]
        if int64(segments["file"][i]) != file:
            continue
        source = int64(segments["tcp"][i]) + int64(segments["header"][i]) + pieces["skip"][j]
        size = pieces["length"][j]
        _copy(payload[starts[j] : starts[j] + size], data[source : source + size])
