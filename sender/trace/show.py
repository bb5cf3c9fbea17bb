"""Traced sessions as transcripts for people and as a capture that Wireshark opens."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import dpkt

from gryphon.controller.errors import InputFault
from gryphon.controller.record import Kind
from gryphon.sender.inspect.segments import Packet
from gryphon.sender.inspect.transcript import line
from gryphon.sender.trace.tape import Segment, Traced
from gryphon.sender.transmit.interface import Targets
from gryphon.sender.whole import write_whole

COLUMNS = 80
_MASK = 0xFFFFFFFF
_SYN, _FIN, _ACK = 2, 1, 16
_RAW_IP = 101  # LINKTYPE_RAW
_HEADER = struct.Struct("<IHHiIII")
_NANOSECONDS = 0xA1B23C4D


def transcripts(traced: Sequence[Traced], targets: Targets) -> Iterator[str]:
    """The lines of every session; sequence numbers count from its SYN and that of the server."""
    for each in traced:
        target = targets[each.target]
        again = f", loop {each.loop}" if each.loop else ""
        yield f"trace       user {each.user}{again}, {each.address}:{each.port} -> {target.address}: {each.fate}"
        yield f"{'time, s':>11}    flags {'seq':>5} {'ack':>5} {'length':>6} {'window':>8}  first bytes"
        yield from _lines(each.segments)
        yield ""


def _lines(segments: Sequence[Segment]) -> Iterator[str]:
    start = segments[0].time_ns
    first = {side: _first(segments, side) for side in (True, False)}
    for segment in segments:
        if segment.kind != Kind.TCP:
            yield f"{(segment.time_ns - start) / 1e9:11.6f} <- {_OTHER[segment.kind]}"
            continue
        seq = (segment.seq - first[segment.from_user]) & _MASK
        ack = (segment.ack - first[not segment.from_user]) & _MASK if segment.flags & _ACK else None
        packet = Packet(
            time_ns=segment.time_ns,
            from_client=segment.from_user,
            flags=segment.flags,
            seq=seq,
            ack=ack,
            length=segment.length,
            window=segment.window,
            mark="",
            data=segment.data,
        )
        yield line(packet, start, 5, COLUMNS)


_OTHER = {int(Kind.ICMP): "an ICMP error", int(Kind.FRAGMENT): "an IP fragment"}


def _first(segments: Sequence[Segment], from_user: bool) -> int:
    """The initial sequence number of a side, or the first that was seen of it."""
    own = [segment for segment in segments if segment.from_user == from_user and segment.kind == Kind.TCP]
    return next((segment.seq for segment in own if segment.flags & _SYN), own[0].seq if own else 0)


def write_capture(path: Path, traced: Sequence[Traced], targets: Targets, wall_ns: int) -> None:
    """All sessions as one pcap file of IP packets.

    Args:
        wall_ns: CLOCK_REALTIME minus CLOCK_MONOTONIC.

    Raises:
        InputFault: it cannot be written.
    """
    packets = [(segment, each) for each in traced for segment in each.segments if segment.kind == Kind.TCP]
    packets.sort(key=lambda pair: pair[0].time_ns)
    parts = [_HEADER.pack(_NANOSECONDS, 2, 4, 0, 0, 262144, _RAW_IP)]
    for segment, each in packets:
        content, length = _frame(segment, each, targets)
        seconds, nanoseconds = divmod(segment.time_ns + wall_ns, 1_000_000_000)
        parts.append(struct.pack("<IIII", seconds, nanoseconds, len(content), length) + content)
    try:
        write_whole(path, b"".join(parts))
    except OSError as error:
        raise InputFault(f"the traces cannot be written to {path}: {error.strerror}") from error


def _frame(segment: Segment, each: Traced, targets: Targets) -> tuple[bytes, int]:
    """An IP packet, cut where its payload is not known, and the length that it had."""
    target = targets[each.target]
    user, server = (ip_address(each.address), each.port), (target.address, target.port)
    (source, sport), (to, dport) = (user, server) if segment.from_user else (server, user)
    tcp = dpkt.tcp.TCP(
        sport=sport,
        dport=dport,
        seq=segment.seq,
        ack=segment.ack,
        flags=segment.flags,
        win=segment.window,
        data=segment.data,
    )
    whole = len(bytes(tcp)) - len(segment.data) + segment.length
    if source.version == 4:
        ip = bytearray(bytes(dpkt.ip.IP(src=source.packed, dst=to.packed, p=6, ttl=64, data=tcp)))
        ip[2:4], ip[10:12] = struct.pack("!H", 20 + whole), bytes(2)  # dpkt knows the length of what is there alone
        ip[10:12] = struct.pack("!H", dpkt.in_cksum(bytes(ip[:20])))
        return bytes(ip), 20 + whole
    six = dpkt.ip6.IP6(src=source.packed, dst=to.packed, nxt=6, hlim=64, plen=whole, data=tcp)
    return bytes(six), 40 + whole
