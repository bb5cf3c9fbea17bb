"""What the bytes of a connection say: how its streams begin, whether they are encrypted, whether copies differ.

Everything here reads payload, file by file: the kernels are called once for each memory map and skip the
segments of the others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import RST, SYN, Array, Data
from gryphon.sender.capture.recording import HEAD
from gryphon.sender.capture.stream import unwrap
from gryphon.sender.compiled import int64, kernel

Flags = npt.NDArray[np.bool_]

_FARTHEST = 1 << 30  # as stream follows a client
_LARGEST_RECORD = (1 << 14) + 2048  # of TLS, with what encryption may add (RFC 8446 5.2, RFC 5246 6.2.3)


@kernel
def heads(data: Data, file: int, segments: Array, which: npt.NDArray[np.int64], out: npt.NDArray[np.uint8]) -> None:
    """Copy the first HEAD captured payload bytes of the segments ``which`` (-1: none) to the rows of ``out``."""
    for c in range(len(which)):
        i = which[c]
        if i < 0 or int64(segments["file"][i]) != file:
            continue
        at = int64(segments["tcp"][i]) + int64(segments["header"][i])
        for byte in range(min(int64(segments["captured"][i]), HEAD)):
            out[c, byte] = data[at + byte]


@kernel
def _client_hello(data: Data, at: int, size: int) -> bool:
    """Whether bytes look like a TLS record with a ClientHello (RFC 8446 4.1.2 and 5.1), or SSL 2's."""
    if size < 11:
        return False
    length = (int64(data[at + 3]) << 8) | int64(data[at + 4])
    if data[at] == 22 and data[at + 1] == 3 and data[at + 2] <= 4 and data[at + 5] == 1:
        return bool(4 <= length <= _LARGEST_RECORD and data[at + 9] == 3)
    length = ((int64(data[at]) & 127) << 8) | int64(data[at + 1])
    return bool(data[at] >= 128 and length == size - 2 and data[at + 2] == 1 and data[at + 3] == 3 and data[at + 4] < 4)


@kernel
def _ssh(data: Data, at: int, size: int) -> bool:
    """Whether bytes are the identification that an SSH client begins with (RFC 4253 4.2)."""
    if size < 6:
        return False
    return bool(
        data[at] == 83 and data[at + 1] == 83 and data[at + 2] == 72 and data[at + 3] == 45 and data[at + 4] < 58
    )


@kernel
def encrypted(
    data: Data,
    file: int,
    segments: Array,
    pieces: Array,
    facts: Array,
    messages: Array,
    counts: npt.NDArray[np.int64],
    found: Flags,
) -> None:
    """Mark the sessions that begin with SSH's identification, or in which a message is a TLS ClientHello.

    The latter also in the middle: STARTTLS of mail and LDAP, SSLRequest of PostgreSQL. ``pieces``, ``messages``
    (an end behind each session's) and ``counts`` are those of FACTS, one after the other.
    """
    piece, message = 0, 0
    for c in range(len(facts)):
        offset, begins = int64(0), int64(0)
        for j in range(piece, piece + facts["pieces"][c]):
            i = pieces["segment"][j]
            if offset == begins:
                if int64(segments["file"][i]) == file:
                    at = int64(segments["tcp"][i]) + int64(segments["header"][i]) + pieces["skip"][j]
                    found[c] |= _client_hello(data, at, pieces["length"][j])
                    found[c] |= offset == 0 and _ssh(data, at, pieces["length"][j])
                begins = messages["stream_end"][message]
                message += 1
            offset += pieces["length"][j]
        piece += facts["pieces"][c]
        message += 1  # the end


@kernel
def differing(
    data: Data,
    file: int,
    segments: Array,
    order: npt.NDArray[np.uint32],
    runs: Array,
    facts: Array,
    payload: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int64],
) -> None:
    """Count each session's client segments that repeat bytes of the stream with another content.

    ``payload`` has the streams of all RUN rows, one after the other. Segments of one byte may be keep-alive
    probes, whose byte is none of the stream's (RFC 9293 3.8.4).
    """
    stream = int64(0)
    for c in range(len(runs)):
        length = facts["length"][c]
        base = int64(segments["seq"][facts["syn"][c]]) + 1
        highest = int64(0)
        for k in range(runs["first"][c], runs["last"][c] if facts["repeated"][c] else runs["first"][c]):
            i = int64(order[k])
            size = int64(segments["captured"][i])
            if segments["direction"][i] != runs["client"][c] or segments["flags"][i] & RST or size == 0:
                continue
            first = int64(segments["seq"][i]) + (1 if segments["flags"][i] & SYN else 0)
            offset = unwrap(first, base, highest)
            if abs(offset - highest) > _FARTHEST:
                continue
            highest = max(highest, offset + size)
            if size == 1 or int64(segments["file"][i]) != file:
                continue
            at = int64(segments["tcp"][i]) + int64(segments["header"][i])
            for byte in range(max(0, -offset), min(size, length - offset)):
                if data[at + byte] != payload[stream + offset + byte]:
                    found[c] += 1
                    break
        stream += length
