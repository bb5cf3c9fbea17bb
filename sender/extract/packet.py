"""Segments to packets in a buffer: record header, Ethernet, IP, the TCP header and payload as captured, checksums.

The buffer is a piece of a classic pcap file of little-endian nanoseconds. A packet that the snap length cut keeps
both its lengths, and its TCP checksum is 0: it cannot be computed, and no reader checks it there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import FIN, PSH, SYN, Array, Data
from gryphon.sender.compiled import inner, int64, kernel

FILE_HEADER = b"\x4d\x3c\xb2\xa1\x02\0\x04\0" + bytes(8) + b"\0\0\x04\0" + b"\x01\0\0\0"
"""Of a classic pcap (draft-ietf-opsawg-pcap): nanoseconds, version 2.4, snap length 262,144, LINKTYPE_ETHERNET."""

RECORD, ETHERNET = 16, 14
_SECOND = 1_000_000_000
_URG, _CWR = 32, 128
_LARGEST = 65535  # bytes of an IPv4 packet, and of what follows an IPv6 header
_DEFAULT_MSS = 536  # RFC 9293 3.7.1


@inner
def _put(out: Data, at: int, size: int, value: int) -> int:
    """Write ``size`` bytes in network order; gives the offset behind them."""
    for byte in range(size):
        out[at + byte] = (value >> (8 * (size - 1 - byte))) & 0xFF
    return at + size


@inner
def _put_little(out: Data, at: int, value: int) -> int:
    """Write 32 bits, the lowest byte first."""
    for byte in range(4):
        out[at + byte] = (value >> (8 * byte)) & 0xFF
    return at + 4


@inner
def _copy(data: Data, source: int, out: Data, at: int, size: int) -> int:
    """Copy bytes; gives the offset behind them. Indexes are unsigned: looking for a sign each time takes far longer."""
    begin, target = np.uint64(source), np.uint64(at)
    for byte in range(np.uint64(size)):
        out[target + np.uint64(byte)] = data[begin + np.uint64(byte)]
    return at + size


@inner
def _sum(out: Data, start: int, stop: int) -> int:
    """Sum of the big-endian 16-bit words, an odd last byte padded with 0 (RFC 1071)."""
    high, low = int64(0), int64(0)
    begin, two = np.uint64(start), np.uint64(2)
    for word in range(np.uint64((stop - start) >> 1)):
        high += int64(out[begin + two * np.uint64(word)])
        low += int64(out[begin + two * np.uint64(word) + np.uint64(1)])
    if (stop - start) & 1:
        high += int64(out[stop - 1])
    return (high << 8) + low


@inner
def _checksum(total: int) -> int:
    """The Internet checksum of a sum below 2**47."""
    total = (total >> 32) + ((total >> 16) & 0xFFFF) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


@inner
def _cut(length: int, header: int, routes: Array, r: int) -> tuple[int, int]:
    """How a segment becomes packets of at most 64 KB: (payload bytes in front of the last one, most bytes of those).

    Those are whole segments of the connection, and the last packet is as large as it can be: it looks as full as
    the segment did that offload had joined, so that who reads the packets again finds the same ends of writes.
    """
    room = _LARGEST - header - (20 if routes["version"][r] == 4 else 0)
    if length <= room:
        return 0, room
    client, server = int64(routes["client_mss"][r]), int64(routes["server_mss"][r])
    full = min(client if client else _DEFAULT_MSS, server if server else _DEFAULT_MSS) - (header - 20)
    if full <= 0 or full > room:
        full = 1
    return (length - room + full - 1) // full * full, room // full * full


@kernel
def measure(rows: Array, owner: npt.NDArray[np.uint32], routes: Array, sizes: npt.NDArray[np.int64]) -> int:
    """Write how many bytes each SEGMENT row takes in the file; gives how many packets they become."""
    packets = int64(0)
    for i in range(len(rows)):
        r = int64(owner[i]) - 1
        header = int64(rows["header"][i])
        ahead, most = _cut(int64(rows["length"][i]), header, routes, r)
        parts = (ahead + most - 1) // most + 1
        others = RECORD + ETHERNET + (20 if routes["version"][r] == 4 else 40)
        sizes[i] = parts * (others + header - int64(rows["header_cut"][i])) + int64(rows["captured"][i])
        packets += parts
    return packets


@inner
def _ethernet(out: Data, at: int, from_client: bool, version: int) -> int:
    """Both ends have one locally administered address each, whoever they are."""
    at = _put(out, at, 6, 0x020000000002 if from_client else 0x020000000001)
    at = _put(out, at, 6, 0x020000000001 if from_client else 0x020000000002)
    return _put(out, at, 2, 0x0800 if version == 4 else 0x86DD)


@inner
def _internet(out: Data, at: int, from_client: bool, routes: Array, r: int, size: int) -> int:
    """The IP header in front of ``size`` bytes of TCP."""
    begin = at
    source_hi, source_lo = int64(routes["client_hi"][r]), int64(routes["client_lo"][r])
    target_hi, target_lo = int64(routes["server_hi"][r]), int64(routes["server_lo"][r])
    if not from_client:
        source_hi, target_hi = target_hi, source_hi
        source_lo, target_lo = target_lo, source_lo
    if routes["version"][r] == 4:
        at = _put(out, at, 4, 0x45000000 | (20 + size))
        at = _put(out, at, 4, 0x4000)  # no identification, and don't fragment (RFC 6864 4.1)
        at = _put(out, at, 4, 64 << 24 | 6 << 16)
        at = _put(out, at, 4, source_lo)
        at = _put(out, at, 4, target_lo)
        _put(out, begin + 10, 2, _checksum(_sum(out, begin, at)))
        return at
    at = _put(out, at, 4, 6 << 28)
    at = _put(out, at, 4, size << 16 | 6 << 8 | 64)
    at = _put(out, _put(out, at, 8, source_hi), 8, source_lo)
    return _put(out, _put(out, at, 8, target_hi), 8, target_lo)


@inner
def _without_addresses(out: Data, at: int, end: int) -> None:
    """Replace options by NOPs but for those that cannot hold an address (RFC 9293 3.1, RFC 2018, RFC 7323).

    Load balancers write the client's address into one (TOA), MPTCP its own (RFC 8684 3.4.1).
    """
    while at < end:
        kind = int64(out[at])
        size = 1 if kind < 2 or at + 1 >= end else max(int64(out[at + 1]), 2)
        if kind > 5 and kind != 8:
            for byte in range(at, min(at + size, end)):
                out[byte] = 1
        at += size


@inner
def _transport(
    data: Data, rows: Array, i: int, kept: int, offset: int, last: bool, anonymous: bool, out: Data, at: int
) -> int:
    """``kept`` bytes of the TCP header as captured; behind the first part of a segment with a number of its own."""
    tcp = int64(rows["tcp"][i])
    _copy(data, tcp, out, at, kept)
    if anonymous:
        _without_addresses(out, at + 20, at + kept)
    flags = int64(rows["flags"][i])
    if offset > 0:
        _put(out, at + 4, 4, int64(rows["seq"][i]) + offset + (1 if flags & SYN else 0))
        flags &= ~(SYN | _URG | _CWR)
    if not last:
        flags &= ~(FIN | PSH)
    out[at + 13] = flags
    _put(out, at + 16, 2, 0)
    return at + kept


@inner
def _packet(data: Data, rows: Array, i: int, offset: int, size: int, routes: Array, r: int, out: Data, at: int) -> int:
    """Write ``size`` payload bytes from ``offset`` on as one packet; gives the offset behind it."""
    header, length, tcp = int64(rows["header"][i]), int64(rows["length"][i]), int64(rows["tcp"][i])
    version = int64(routes["version"][r])
    from_client = rows["direction"][i] == routes["client"][r]
    kept = header - int64(rows["header_cut"][i])
    captured = max(min(int64(rows["captured"][i]) - offset, size), 0)
    others = ETHERNET + (20 if version == 4 else 40)
    at = _put_little(out, at, int64(rows["time_ns"][i]) // _SECOND)
    at = _put_little(out, at, int64(rows["time_ns"][i]) % _SECOND)
    at = _put_little(out, at, others + kept + captured)
    at = _put_little(out, at, others + header + size)
    at = _ethernet(out, at, from_client, version)
    internet = at
    at = _internet(out, at, from_client, routes, r, header + size)
    transport = at
    at = _transport(data, rows, i, kept, offset, offset + size >= length, routes["anonymous"][r] == 1, out, at)
    at = _copy(data, tcp + header + offset, out, at, captured)
    if kept == header and captured == size:
        addresses = _sum(out, internet + (12 if version == 4 else 8), transport)
        _put(out, transport + 16, 2, _checksum(addresses + 6 + header + size + _sum(out, transport, at)))
    return at


@kernel
def write(
    data: Data,
    file: int,
    rows: Array,
    owner: npt.NDArray[np.uint32],
    routes: Array,
    starts: npt.NDArray[np.int64],
    out: Data,
) -> None:
    """Write the SEGMENT rows that stand in ``file`` to ``out``, each from its offset in ``starts`` on.

    ``header_cut`` of a row: bytes of its TCP header that are not in the file. A segment larger than one IP packet
    is written as several, one after the other, PSH and FIN on the last.
    """
    for i in range(len(rows)):
        if int64(rows["file"][i]) != file:
            continue
        r = int64(owner[i]) - 1
        length = int64(rows["length"][i])
        ahead, most = _cut(length, int64(rows["header"][i]), routes, r)
        at = starts[i]
        for offset in range(0, ahead, most):
            at = _packet(data, rows, i, offset, min(ahead - offset, most), routes, r, out, at)
        _packet(data, rows, i, ahead, length - ahead, routes, r, out, at)
