"""Turns a packet descriptor into the bytes of its IP and TCP headers, as a Linux client would write them."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address

import numpy as np
import numpy.typing as npt

from gryphon.controller.record import Option
from gryphon.sender.compiled import inlined, inner, int64
from gryphon.sender.transmit.checksum import fold
from gryphon.sender.transmit.interface import Targets

HEADER_ROOM = 128
"""Bytes set aside for one packet's headers: IPv6 (40) and TCP with options (60), rounded to cache lines."""

DESTINATION = np.dtype(
    [
        ("high", "u8"),  # address, IPv4 mapped, host byte order
        ("low", "u8"),
        ("name", "u8"),  # memory address of the sockaddr, for sendmmsg
        ("name_length", "u4"),
        ("port", "u2"),
        ("version", "u1"),  # 4 or 6
        ("reserved", "u1"),
    ]
)
"""One server, 32 bytes."""

_MSS = int(Option.MSS)
_WINDOW_SCALE = int(Option.WINDOW_SCALE)
_SACK_PERMITTED = int(Option.SACK_PERMITTED)
_TIMESTAMP = int(Option.TIMESTAMP)
_LITTLE = sys.byteorder == "little"
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_TTL = 64  # Linux's net.ipv4.ip_default_ttl, and hop limit


def destinations(targets: Targets) -> npt.NDArray[np.void]:
    """The table of servers as columns for kernels, dtype ``DESTINATION``; ``name`` is left for the transmitter."""
    table = np.zeros(len(targets), DESTINATION)
    for entry, target in zip(table, targets, strict=True):
        entry["high"], entry["low"] = divmod(int(target.address), 1 << 64)
        entry["port"] = target.port
        entry["version"] = 4 if isinstance(target.address, IPv4Address) else 6
    return table


@inner
def put32(frame: npt.NDArray[np.uint32], at: int, value: int) -> int:
    """Write 32 bits in network byte order and return them.

    What is written is added to a checksum as it goes: reading it back would wait for the stores to land. A 32-bit
    number adds what its two halves add, for 65,536 is 1 in the ones' complement of 16 bits.
    """
    if _LITTLE:
        swapped = (value & 0xFF) << 24 | (value & 0xFF00) << 8 | (value >> 8) & 0xFF00 | (value >> 24) & 0xFF
        frame[np.uint64(at)] = swapped
    else:
        frame[np.uint64(at)] = value
    return value


@inner
def put64(frame: npt.NDArray[np.uint32], at: int, value: np.uint64) -> int:
    """Write 64 bits in network byte order and return their sum for a checksum."""
    total: int = put32(frame, at, int64(value >> _HALF)) + put32(frame, at + 1, int64(value & _LOW))
    return total


@inlined
def put_options(frame: npt.NDArray[np.uint32], at: int, packet: np.void) -> tuple[int, int]:
    """Write the TCP options as Linux orders and pads them; words written and their sum.

    See tcp_options_write in net/ipv4/tcp_output.c.
    """
    options = int64(packet["options"])
    start, total = at, 0
    if options & _MSS:
        total += put32(frame, at, 0x02040000 | int64(packet["mss"]))
        at += 1
    sack = options & _SACK_PERMITTED
    if options & _TIMESTAMP:
        total += put32(frame, at, 0x0402080A if sack else 0x0101080A)  # SACK-permitted, or two NOPs
        total += put32(frame, at + 1, int64(packet["tsval"]))
        total += put32(frame, at + 2, int64(packet["tsecr"]))
        at += 3
    elif sack:
        total += put32(frame, at, 0x01010402)
        at += 1
    if options & _WINDOW_SCALE:
        total += put32(frame, at, 0x01030300 | int64(packet["window_scale"]))
        at += 1
    return at - start, total


@inlined
def header_words(packet: np.void, to: np.void) -> int:
    """How many words of four bytes the headers of a packet take."""
    options = int64(packet["options"])
    words = 10 if to["version"] == 4 else 15
    if options & _MSS:
        words += 1
    if options & _TIMESTAMP:
        words += 3
    elif options & _SACK_PERMITTED:
        words += 1
    if options & _WINDOW_SCALE:
        words += 1
    return words


@inlined
def put_ipv4(
    frame: npt.NDArray[np.uint32], at: int, packet: np.void, to: np.void, length: int, identification: int
) -> int:
    """Write an IPv4 header (RFC 791) for ``length`` bytes of TCP; the sum of its addresses."""
    total = put32(frame, at, 0x45000000 | (20 + length) & 0xFFFF)
    total += put32(frame, at + 1, identification << 16 | 0x4000)  # don't fragment
    addresses: int = put32(frame, at + 3, int64(packet["source_lo"] & _LOW))
    addresses += put32(frame, at + 4, int64(to["low"] & _LOW))
    bits = _TTL << 24 | 6 << 16
    put32(frame, at + 2, bits | ~fold(total + addresses + bits) & 0xFFFF)
    return addresses


@inlined
def put_ipv6(frame: npt.NDArray[np.uint32], at: int, packet: np.void, to: np.void, length: int) -> int:
    """Write an IPv6 header (RFC 8200) for ``length`` bytes of TCP; the sum of its addresses."""
    put32(frame, at, 6 << 28)
    put32(frame, at + 1, (length & 0xFFFF) << 16 | 6 << 8 | _TTL)
    addresses: int = put64(frame, at + 2, packet["source_hi"]) + put64(frame, at + 4, packet["source_lo"])
    addresses += put64(frame, at + 6, to["high"]) + put64(frame, at + 8, to["low"])
    return addresses


@inlined
def put_headers(
    frame: npt.NDArray[np.uint32],
    at: int,
    packet: np.void,
    to: np.void,
    payload_sum: int,
    identification: int,
) -> int:
    """Write IP and TCP headers (RFC 9293, 3.1), checksums and all, at ``frame[at:]``; their length in bytes.

    ``frame`` and ``at`` count in words of four bytes, which every field of these headers falls on.

    ``packet`` is a row of ``PACKET``, ``to`` of ``DESTINATION``; ``payload_sum`` (16 bits) is the ones' complement
    sum of the packet's payload. ``identification`` (16 bits) goes to an IPv4 header; it must not be 0 where the kernel
    would then choose its own.
    """
    version4 = to["version"] == 4
    tcp = at + (5 if version4 else 10)
    size = int64(packet["length"])
    options, total = put_options(frame, tcp + 5, packet)
    header = 5 + options
    length = 4 * header + size
    if version4:
        total += put_ipv4(frame, at, packet, to, length, identification)
    else:
        total += put_ipv6(frame, at, packet, to, length)
    total += put32(frame, tcp, int64(packet["port"]) << 16 | int64(to["port"]))
    total += put32(frame, tcp + 1, int64(packet["seq"]))
    total += put32(frame, tcp + 2, int64(packet["ack"]))
    bits = header << 12 | int64(packet["flags"])
    total += put32(frame, tcp + 3, bits << 16 | int64(packet["window"]))
    total += 6 + length  # the rest of the pseudo-header
    total += payload_sum
    put32(frame, tcp + 4, (~fold(total) & 0xFFFF) << 16)
    written: int = 4 * (tcp + header - at)
    return written
