"""Which packets are answers of granted services to granted ranges: for the kernel as a socket filter, and for us."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from gryphon.controller.source import IPNetwork, Service

MOST = 16
"""Pairs of service and range in one filter, others are not looked at: a socket has 20 kB for filters (optmem_max)."""

# classic BPF (include/uapi/linux/bpf_common.h): load a word, half, byte at a place; at X plus a place; X = IP header
_WORD, _HALF, _BYTE, _HALF_BEHIND, _X = 0x20, 0x28, 0x30, 0x48, 0xB1
_AND, _EQUAL, _RETURN = 0x54, 0x15, 0x06
_TCP = 6
_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")


class Asked(NamedTuple):
    """What a grant is about."""

    services: tuple[Service, ...] = ()
    networks: tuple[IPNetwork, ...] = ()


class _Test(NamedTuple):
    """What is loaded, masked, must be a value."""

    load: int
    place: int
    value: int
    mask: int = 0xFFFFFFFF


def pairs_of(grants: Iterable[Asked]) -> list[tuple[Service, IPNetwork]]:
    """Each service with each range of the same IP version."""
    return [
        (service, network)
        for grant in grants
        for service in grant.services
        for network in grant.networks
        if service[0].version == network.version
    ]


def attach(sock: socket.socket, pairs: list[tuple[Service, IPNetwork]]) -> None:
    """Let only these through: TCP, from the IP header on, of a service to an address of its range."""
    instructions = filter_of(pairs)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("HP", len(instructions) // _INSTRUCTION.size, ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def filter_of(pairs: list[tuple[Service, IPNetwork]]) -> bytes:
    """The filter's instructions: one stretch for each pair, which a failed test leaves for the next one."""
    code = b"".join(_stretch(_tests(service, network)) for service, network in pairs[:MOST])
    return code + _INSTRUCTION.pack(_RETURN, 0, 0, 0)


def _stretch(tests: list[_Test]) -> bytes:
    """All tests passed: the packet is let through."""
    lines: list[tuple[int, int]] = []
    for test in tests:
        if test.load == _HALF_BEHIND:
            lines.append((_X, 0))
        lines.append((test.load, test.place))
        if test.mask != 0xFFFFFFFF:
            lines.append((_AND, test.mask))
        lines.append((_EQUAL, test.value))
    lines.append((_RETURN, 0xFFFF))
    last = len(lines) - 1
    packed = (_INSTRUCTION.pack(code, 0, last - at if code == _EQUAL else 0, k) for at, (code, k) in enumerate(lines))
    return b"".join(packed)


def _tests(service: Service, network: IPNetwork) -> list[_Test]:
    """RFC 791, 3.1 and RFC 8200, 3; with extension headers a packet is none of ours here."""
    address, port = service
    if address.version == 4:
        return [
            _Test(_BYTE, 0, 0x40, 0xF0),
            _Test(_BYTE, 9, _TCP),
            _Test(_HALF, 6, 0, 0x1FFF),  # no fragment but a first one
            *_words(12, int(address), 0xFFFFFFFF, 1),
            *_words(16, int(network[0]), int(network.netmask), 1),
            _Test(_HALF_BEHIND, 0, port),
        ]
    whole = (1 << 128) - 1
    return [
        _Test(_BYTE, 0, 0x60, 0xF0),
        _Test(_BYTE, 6, _TCP),
        *_words(8, int(address), whole, 4),
        *_words(24, int(network[0]), int(network.netmask), 4),
        _Test(_HALF, 40, port),
    ]


def _words(place: int, value: int, mask: int, count: int) -> list[_Test]:
    """An address as words, those alone of which the mask has something."""
    shifts = range(32 * (count - 1), -1, -32)
    words = [(value >> shift & 0xFFFFFFFF, mask >> shift & 0xFFFFFFFF) for shift in shifts]
    return [_Test(_WORD, place + 4 * at, one & most, most) for at, (one, most) in enumerate(words) if most]


def whose(packet: bytes, asked: Asked) -> tuple[Service, IPNetwork] | None:
    """The service and the range of a packet that the filter let through; None where it is another grant's."""
    four = packet[0] >> 4 == 4
    if len(packet) < (20 if four else 40):
        return None
    header = 4 * (packet[0] & 15) if four else 40
    source = IPv4Address(packet[12:16]) if four else IPv6Address(packet[8:24])
    target = IPv4Address(packet[16:20]) if four else IPv6Address(packet[24:40])
    service = (source, int.from_bytes(packet[header : header + 2], "big"))
    if service not in asked.services:
        return None
    return next(((service, network) for network in asked.networks if target in network), None)
