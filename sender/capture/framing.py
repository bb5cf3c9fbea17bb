"""Where the frames of a capture file stand: the compiled walks over pcap records and pcapng blocks.

Sources: draft-ietf-opsawg-pcap (classic pcap), draft-ietf-opsawg-pcapng. Each walk fills a batch of FRAME
rows and says where it stopped, so that the caller stays in charge between batches.
"""

from __future__ import annotations

import numpy as np

from gryphon.sender.capture.columns import Array, Data
from gryphon.sender.compiled import int64, kernel

MORE, CUT, CORRUPT, CONTROL = 0, 1, 2, 3
"""Why a walk stopped: batch full or end of file; file ends in a packet; nonsense; a block for the caller."""

LARGEST_FRAME = 1 << 24  # far above any snap length; more is a damaged length field

SECTION, INTERFACE, OLD_PACKET, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6  # pcapng block types

_SECOND = 1_000_000_000

_LATEST = (1 << 62) - 1
"""Nanoseconds, in the year 2116. Of times from 0 to here, twice a difference still fits 63 bits."""


@kernel
def _word(data: Data, at: int, big: bool) -> int:
    """Unsigned 32 bits in the file's byte order."""
    a, b, c, d = int64(data[at]), int64(data[at + 1]), int64(data[at + 2]), int64(data[at + 3])
    if big:
        return (a << 24) | (b << 16) | (c << 8) | d
    return (d << 24) | (c << 16) | (b << 8) | a


@kernel
def touch(data: Data, start: int, stop: int) -> int:
    """Read a byte of each cache line, whatever its value: gives their sum.

    A walk goes from header to header, each of which is waited for; what was touched in a row before is there.
    It takes a third off the time of walking and decoding.
    """
    total = int64(0)
    for at in range(start, min(stop, len(data)), 64):
        total += int64(data[at])
    return total


LENGTHS_IN_ORDER, LENGTHS_SWAPPED, LENGTHS_EITHER_WAY = 0, 1, 2
"""Captured before original length, the other way round, or as the smaller one says: old writers differed."""


@kernel
def scan_pcap(
    data: Data, at: int, big: bool, fraction_ns: int, header: int, lengths: int, link: int, frames: Array
) -> tuple[int, int, int]:
    """Fill ``frames`` from the records at ``at``; gives (frames, next offset, MORE | CUT | CORRUPT).

    ``fraction_ns`` is the length of one unit of the second timestamp field, ``header`` the size of a record
    header, ``lengths`` how its two lengths stand (libpcap, sf-pcap.c).
    """
    size = len(data)
    count = 0
    while count < len(frames) and at < size:
        if at + header > size:
            return count, at, CUT
        captured, original = _word(data, at + 8, big), _word(data, at + 12, big)
        if lengths == LENGTHS_SWAPPED or (lengths == LENGTHS_EITHER_WAY and captured > original):
            captured, original = original, captured
        if captured > LARGEST_FRAME:
            return count, at, CORRUPT
        if at + header + captured > size:
            return count, at, CUT
        frames["time_ns"][count] = _word(data, at, big) * _SECOND + _word(data, at + 4, big) * fraction_ns
        frames["offset"][count] = at + header
        frames["captured"][count] = captured
        frames["original"][count] = max(original, captured)
        frames["link"][count] = link
        count += 1
        at += header + captured
    return count, at, MORE


@kernel
def _nanoseconds(high: int, low: int, resolution: int, offset_s: int) -> int:
    """Time of ``high << 32 | low`` ticks; ``resolution`` is if_tsresol: 10^-n s, or 2^-n s with bit 7 set.

    A nonsensical time is cut down to what 63 bits hold, never wrapped.
    """
    power = resolution & 0x7F
    ticks = ((high & 0x3FFFFFFF) << 32) | low
    if resolution & 0x80:
        if power > 62:
            return offset_s * _SECOND
        fraction = ticks & ((1 << power) - 1)
        bits = min(power, 32)
        whole = min(ticks >> power, _SECOND << 2)
        return (whole + offset_s) * _SECOND + (((fraction >> (power - bits)) * _SECOND) >> bits)
    unit = 1
    for _ in range(min(abs(9 - power), 18)):
        unit *= 10
    if power > 9:
        return ticks // unit + offset_s * _SECOND
    return min(ticks, (_SECOND << 32) // unit) * unit + offset_s * _SECOND


@kernel
def scan_pcapng(data: Data, at: int, big: bool, interfaces: Array, last_ns: int, frames: Array) -> tuple[int, int, int]:
    """Fill ``frames`` from the blocks at ``at``; gives (frames, next offset, MORE | CUT | CORRUPT | CONTROL).

    ``interfaces`` has one row per interface of the section. Stops in front of a section or interface block,
    which change what ``big`` and ``interfaces`` are. ``last_ns`` is the time of a simple packet block, which
    carries none.
    """
    size = len(data)
    count = 0
    while count < len(frames) and at < size:
        if at + 12 > size:
            return count, at, CUT
        kind = _word(data, at, big)
        if kind in (SECTION, INTERFACE):
            return count, at, CONTROL
        total = _word(data, at + 4, big)
        if total < 12 or total % 4 or total > 2 * LARGEST_FRAME:
            return count, at, CORRUPT
        if at + total > size:
            return count, at, CUT
        body = at + 8
        room = total - 12
        if kind in (ENHANCED, OLD_PACKET):
            if room < 20:
                return count, at, CORRUPT
            which = _word(data, body, big)
            if kind == OLD_PACKET:
                which = which >> 16 if big else which & 0xFFFF
            captured = _word(data, body + 12, big)
            if which >= len(interfaces) or captured > room - 20:
                return count, at, CORRUPT
            time_ns = _nanoseconds(
                _word(data, body + 4, big),
                _word(data, body + 8, big),
                int64(interfaces["resolution"][which]),
                int64(interfaces["offset_s"][which]),
            )
            last_ns = min(max(time_ns, 0), _LATEST)
            frames["offset"][count] = body + 20
            original = _word(data, body + 16, big)
        elif kind == SIMPLE:
            if room < 4 or len(interfaces) == 0:
                return count, at, CORRUPT
            which = 0
            original = _word(data, body, big)
            captured = min(original, room - 4)
            if interfaces["snap"][0] > 0:
                captured = min(captured, int64(interfaces["snap"][0]))
            frames["offset"][count] = body + 4
        else:
            at += total
            continue
        frames["time_ns"][count] = last_ns
        frames["captured"][count] = captured
        frames["original"][count] = max(original, captured)
        frames["link"][count] = interfaces["link"][which]
        count += 1
        at += total
    return count, at, MORE


NETWORK_INTERFACE = np.dtype([("offset_s", "i8"), ("link", "u4"), ("snap", "u4"), ("resolution", "u1")])
"""What an interface description block says of its packets."""


@kernel
def word(data: Data, at: int, big: bool) -> int:
    """The same reading for callers outside of a kernel."""
    return _word(data, at, big)
