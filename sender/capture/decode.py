"""Frames to TCP segments: the compiled way through link, VLAN, IPv4, IPv6 and TCP headers.

Lengths on the wire come from the IP header; where it says 0 (segmentation offload wrote it) from the frame.
Checksums are not looked at: offload leaves them unfinished in captures of the sending host.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ENDPOINTS, SEGMENT, SYN, Array, Data
from gryphon.sender.compiled import int64, kernel

NULL, ETHERNET, RAW_BSD, RAW_OPENBSD, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = (
    0,
    1,
    12,
    14,
    101,
    108,
    113,
    228,
    229,
    276,
)

LINKS = {
    ETHERNET: "Ethernet",
    NULL: "BSD loopback",
    LOOP: "OpenBSD loopback",
    RAW_BSD: "raw IP",
    RAW_OPENBSD: "raw IP",
    RAW: "raw IP",
    IPV4: "raw IPv4",
    IPV6: "raw IPv6",
    SLL: "Linux cooked",
    SLL2: "Linux cooked v2",
}
"""LINKTYPE_ numbers (tcpdump.org/linktypes.html) that ``decode`` reads, and what they are called."""

TCP_SEEN, FRAGMENTS, SHORT, MALFORMED = 0, 1, 2, 3
"""What each count of ``decode`` is of: segments; IP fragments; headers that the snap length cut; nonsense."""

_MOST_TAGS = 8
_MOST_EXTENSIONS = 10
_OPTION_MSS, _OPTION_SCALE, _OPTION_SACK, _OPTION_TIMESTAMP = 1, 2, 4, 8  # controller.record.Option


def new_counts() -> npt.NDArray[np.int64]:
    """What ``decode`` counts, all zero."""
    return np.zeros(4, np.int64)


def new_batch(size: int) -> tuple[Array, Array]:
    """Room for ``size`` SEGMENT rows and their ENDPOINTS."""
    return np.zeros(size, SEGMENT), np.zeros(size, ENDPOINTS)


@kernel
def _half(data: Data, at: int) -> int:
    return (int64(data[at]) << 8) | int64(data[at + 1])


@kernel
def _whole(data: Data, at: int) -> int:
    return (_half(data, at) << 16) | _half(data, at + 2)


@kernel
def _network(data: Data, at: int, end: int, link: int) -> int:
    """Offset of the IP header of a frame at ``at``, -1 when there is none."""
    if link == ETHERNET:
        kind_at, payload = at + 12, at + 14
    elif link == SLL:
        kind_at, payload = at + 14, at + 16
    elif link == SLL2:
        kind_at, payload = at, at + 20
    elif link in (NULL, LOOP):
        return at + 4  # its address family has many values; the IP version says the same
    else:
        return at
    if payload > end:
        return -1
    kind = _half(data, kind_at)
    for _ in range(_MOST_TAGS):
        if kind != 0x8100 and kind != 0x88A8 and kind != 0x9100 and kind != 0x9200:
            break
        if payload + 4 > end:
            return -1
        kind = _half(data, payload + 2)
        payload += 4
    if kind <= 1500 and payload + 8 <= end and _half(data, payload) == 0xAAAA:  # IEEE 802.3 with SNAP
        kind = _half(data, payload + 6)
        payload += 8
    return payload if kind == 0x0800 or kind == 0x86DD else -1


@kernel
def _ipv6_transport(data: Data, at: int, end: int) -> tuple[int, int]:
    """Offset of the header behind the extension headers (RFC 8200 section 4) and its protocol.

    A fragment of a packet (not the atomic kind, RFC 6946) has protocol 44, a header that the snap length cut
    has -1.
    """
    kind = int64(data[at + 6])
    at += 40
    for _ in range(_MOST_EXTENSIONS):
        if kind != 0 and kind != 43 and kind != 44 and kind != 51 and kind != 60:
            break
        if at + 8 > end:
            return at, -1
        if kind == 44:
            if _half(data, at + 2) & 0xFFF9:
                return at, 44
            size = 8
        elif kind == 51:
            size = (int64(data[at + 1]) + 2) * 4
        else:
            size = (int64(data[at + 1]) + 1) * 8
        kind = int64(data[at])
        at += size
    return at, kind


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
            segments["mss"][n] = _half(data, at + 2)
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
def decode(data: Data, frames: Array, segments: Array, endpoints: Array, counts: npt.NDArray[np.int64]) -> int:
    """Write a SEGMENT and an ENDPOINTS row (a = source) per TCP segment of the FRAME rows; gives how many.

    ``segments`` and ``endpoints`` have at least as many rows as ``frames``; ``flow``, ``direction`` and
    ``file`` are left for the caller. ``counts`` is added to.
    """
    n = 0
    for i in range(len(frames)):
        start = int64(frames["offset"][i])
        end = start + int64(frames["captured"][i])
        stop = start + int64(frames["original"][i])
        at = _network(data, start, end, int64(frames["link"][i]))
        if at < 0 or at >= end:
            continue
        version = int64(data[at]) >> 4
        if version == 4:
            if at + 20 > end:
                counts[SHORT] += 1
                continue
            if data[at + 9] != 6:
                continue
            if _half(data, at + 6) & 0x3FFF:
                counts[FRAGMENTS] += 1
                continue
            total = _half(data, at + 2)
            if total > 0:
                stop = at + total
            tcp = at + (int64(data[at]) & 15) * 4
            if tcp < at + 20:
                counts[MALFORMED] += 1
                continue
            endpoints["a_hi"][n] = 0
            endpoints["a_lo"][n] = (int64(0xFFFF) << 32) | _whole(data, at + 12)
            endpoints["b_hi"][n] = 0
            endpoints["b_lo"][n] = (int64(0xFFFF) << 32) | _whole(data, at + 16)
        elif version == 6:
            if at + 40 > end:
                counts[SHORT] += 1
                continue
            total = _half(data, at + 4)
            if total > 0:
                stop = at + 40 + total
            tcp, protocol = _ipv6_transport(data, at, end)
            if protocol != 6:
                counts[FRAGMENTS] += protocol == 44
                counts[SHORT] += protocol == -1
                continue
            endpoints["a_hi"][n] = (_whole(data, at + 8) << 32) | _whole(data, at + 12)
            endpoints["a_lo"][n] = (_whole(data, at + 16) << 32) | _whole(data, at + 20)
            endpoints["b_hi"][n] = (_whole(data, at + 24) << 32) | _whole(data, at + 28)
            endpoints["b_lo"][n] = (_whole(data, at + 32) << 32) | _whole(data, at + 36)
        else:
            continue
        if tcp + 20 > stop:
            counts[MALFORMED] += 1
            continue
        if tcp + 20 > end:
            counts[SHORT] += 1
            continue
        header = (int64(data[tcp + 12]) >> 4) * 4
        if header < 20 or tcp + header > stop:
            counts[MALFORMED] += 1
            continue
        endpoints["a_port"][n] = _half(data, tcp)
        endpoints["b_port"][n] = _half(data, tcp + 2)
        segments["time_ns"][n] = frames["time_ns"][i]
        segments["tcp"][n] = tcp
        segments["seq"][n] = _whole(data, tcp + 4)
        segments["ack"][n] = _whole(data, tcp + 8)
        segments["length"][n] = stop - tcp - header
        segments["captured"][n] = max(min(stop, end) - tcp - header, 0)
        segments["window"][n] = _half(data, tcp + 14)
        segments["header"][n] = header
        segments["flags"][n] = data[tcp + 13]
        segments["mss"][n] = 0
        segments["scale"][n] = 255
        segments["options"][n] = 0
        if data[tcp + 13] & SYN:
            _syn_options(data, tcp + 20, min(tcp + header, end), segments, n)
        n += 1
    counts[TCP_SEEN] += n
    return n
