"""Frames to TCP segments: the compiled way through IPv4 and IPv6, tunnels of them, and TCP headers.

Lengths on the wire come from the innermost IP header; where it says 0 (segmentation offload wrote it) from what
is around it. Checksums are not looked at: offload leaves them unfinished in captures of the sending host.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ENDPOINTS, FRAGMENT, SEGMENT, SYN, Array, Data
from gryphon.sender.capture.link import half, network, tunnelled, whole
from gryphon.sender.compiled import int64, kernel

TCP_SEEN, FRAGMENTS, SHORT, MALFORMED = 0, 1, 2, 3
"""What each count of ``decode`` is of: segments; IP fragments; headers that the snap length cut; nonsense."""

_TCP = 6
_CUT, _BROKEN, _FRAGMENT, _NOTHING = -1, -2, -3, -4  # in place of a protocol
_MOST_LAYERS = 8  # IP headers inside of each other
_MOST_EXTENSIONS = 10
_OPTION_MSS, _OPTION_SCALE, _OPTION_SACK, _OPTION_TIMESTAMP = 1, 2, 4, 8  # controller.record.Option


class Batch:
    """Room for what ``decode`` writes for at most ``size`` frames."""

    def __init__(self, size: int) -> None:
        self.segments = np.zeros(size, SEGMENT)
        self.endpoints = np.zeros(size, ENDPOINTS)
        self.owners = np.zeros(size, np.int64)
        self.fragments = np.zeros(size, FRAGMENT)


def new_counts() -> npt.NDArray[np.int64]:
    """What ``decode`` counts, all zero."""
    return np.zeros(4, np.int64)


@kernel
def _internet(data: Data, at: int, end: int, stop: int) -> tuple[int, int, int]:
    """What the IP header at ``at`` leads to: (offset, protocol or one of the negative codes, end on the wire)."""
    version = int64(data[at]) >> 4
    if version == 4:
        if at + 20 > end:
            return at, _CUT, stop
        total = half(data, at + 2)
        size = (int64(data[at]) & 15) * 4
        if size < 20:
            return at, _BROKEN, stop
        protocol = _FRAGMENT if half(data, at + 6) & 0x3FFF else int64(data[at + 9])
        return at + size, protocol, at + total if total > 0 else stop
    if version == 6:
        if at + 40 > end:
            return at, _CUT, stop
        total = half(data, at + 4)
        transport, protocol = _extensions(data, at, end)
        return transport, protocol, at + 40 + total if total > 0 else stop
    return at, _NOTHING, stop


@kernel
def _extensions(data: Data, at: int, end: int) -> tuple[int, int]:
    """Offset of the header behind the extension headers (RFC 8200 section 4) and its protocol.

    Of a fragment (not the atomic kind, RFC 6946) the offset is its fragment header's.
    """
    kind = int64(data[at + 6])
    at += 40
    for _ in range(_MOST_EXTENSIONS):
        if kind != 0 and kind != 43 and kind != 44 and kind != 51 and kind != 60:
            break
        if at + 8 > end:
            return at, _CUT
        if kind == 44:
            if half(data, at + 2) & 0xFFF9:
                return at, _FRAGMENT
            size = 8
        elif kind == 51:
            size = (int64(data[at + 1]) + 2) * 4
        else:
            size = (int64(data[at + 1]) + 1) * 8
        kind = int64(data[at])
        at += size
    return at, kind


@kernel
def _addresses(data: Data, at: int, endpoints: Array, n: int) -> None:
    """Source and destination of the IP header at ``at``, IPv4 mapped."""
    if int64(data[at]) >> 4 == 4:
        endpoints["a_hi"][n] = 0
        endpoints["a_lo"][n] = (int64(0xFFFF) << 32) | whole(data, at + 12)
        endpoints["b_hi"][n] = 0
        endpoints["b_lo"][n] = (int64(0xFFFF) << 32) | whole(data, at + 16)
    else:
        endpoints["a_hi"][n] = (whole(data, at + 8) << 32) | whole(data, at + 12)
        endpoints["a_lo"][n] = (whole(data, at + 16) << 32) | whole(data, at + 20)
        endpoints["b_hi"][n] = (whole(data, at + 24) << 32) | whole(data, at + 28)
        endpoints["b_lo"][n] = (whole(data, at + 32) << 32) | whole(data, at + 36)


@kernel
def _syn_options(data: Data, at: int, end: int, segments: Array, n: int) -> None:
    """Take MSS, window scale and which options there are from a SYN (RFC 9293 3.1, RFC 7323, RFC 2018)."""
    seen = 0
    while at < end:
        kind = int64(data[at])
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if at + 2 > end:
            break
        size = int64(data[at + 1])
        if size < 2 or at + size > end:
            break
        if kind == 2 and size == 4:
            seen |= _OPTION_MSS
            segments["mss"][n] = half(data, at + 2)
        elif kind == 3 and size == 3:
            seen |= _OPTION_SCALE
            segments["scale"][n] = min(int64(data[at + 2]), 14)
        elif kind == 4 and size == 2:
            seen |= _OPTION_SACK
        elif kind == 8 and size == 10:
            seen |= _OPTION_TIMESTAMP
        at += size
    segments["options"][n] = seen


@kernel
def _segment(data: Data, tcp: int, end: int, stop: int, segments: Array, endpoints: Array, n: int) -> int:
    """Write the TCP header at ``tcp`` to row ``n``; gives TCP_SEEN, SHORT or MALFORMED."""
    if tcp + 20 > stop:
        return MALFORMED
    if tcp + 20 > end:
        return SHORT
    header = (int64(data[tcp + 12]) >> 4) * 4
    if header < 20 or tcp + header > stop:
        return MALFORMED
    endpoints["a_port"][n] = half(data, tcp)
    endpoints["b_port"][n] = half(data, tcp + 2)
    segments["tcp"][n] = tcp
    segments["seq"][n] = whole(data, tcp + 4)
    segments["ack"][n] = whole(data, tcp + 8)
    segments["length"][n] = stop - tcp - header
    segments["captured"][n] = max(min(stop, end) - tcp - header, 0)
    segments["window"][n] = half(data, tcp + 14)
    segments["header"][n] = header
    segments["header_cut"][n] = max(tcp + header - min(stop, end), 0)
    segments["flags"][n] = data[tcp + 13]
    segments["mss"][n] = 0
    segments["scale"][n] = 255
    segments["options"][n] = 0
    if data[tcp + 13] & SYN:
        _syn_options(data, tcp + 20, min(tcp + header, end), segments, n)
    return TCP_SEEN


@kernel
def decode(
    data: Data,
    frames: Array,
    segments: Array,
    endpoints: Array,
    owners: npt.NDArray[np.int64],
    fragments: Array,
    counts: npt.NDArray[np.int64],
) -> tuple[int, int]:
    """Write SEGMENT, ENDPOINTS (a = source) and the frame's number for each TCP segment; gives (segments, fragments).

    The arrays are those of a ``Batch`` for the FRAME rows; ``flow``, ``direction`` and ``file`` are left for the
    caller. A FRAGMENT row is written for each fragment of an IP packet. ``counts`` is added to.
    """
    n, pieces = 0, 0
    for i in range(len(frames)):
        start = int64(frames["offset"][i])
        end = start + int64(frames["captured"][i])
        stop = start + int64(frames["original"][i])
        at = network(data, start, end, int64(frames["link"][i]))
        for _ in range(_MOST_LAYERS):
            if at < 0 or at >= end:
                break
            inside, protocol, stop = _internet(data, at, end, stop)
            if protocol == _TCP:
                seen = _segment(data, inside, end, stop, segments, endpoints, n)
                counts[seen] += 1
                if seen == TCP_SEEN:
                    _addresses(data, at, endpoints, n)
                    segments["time_ns"][n] = frames["time_ns"][i]
                    owners[n] = i
                    n += 1
                break
            if protocol < 0:
                if protocol == _FRAGMENT:
                    fragments["ip"][pieces] = at
                    fragments["payload"][pieces] = inside
                    fragments["end"][pieces] = min(end, stop)
                    fragments["stop"][pieces] = stop
                    fragments["time_ns"][pieces] = frames["time_ns"][i]
                    fragments["owner"][pieces] = i
                    pieces += 1
                counts[FRAGMENTS] += protocol == _FRAGMENT
                counts[SHORT] += protocol == _CUT
                counts[MALFORMED] += protocol == _BROKEN
                break
            at = tunnelled(data, inside, min(end, stop), protocol)
    return n, pieces
