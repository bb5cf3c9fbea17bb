"""The capture of a user that stays: one request, then one every so many seconds on the same connection."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import dpkt

from benchmarks.sink import answer
from gryphon.lab.servers import PORT

ANSWER = 160
"""Bytes of each answer, as the sink gives it unless told otherwise."""

_CLIENT, _SERVER = IPv4Address("192.0.2.1").packed, IPv4Address("192.0.2.2").packed
_CLIENT_PORT = 40_000
_REQUEST = b"GET / HTTP/1.1\r\nHost: server\r\nUser-Agent: benchmark\r\n\r\n"
_SYN, _ACK, _PSH = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK, dpkt.tcp.TH_PUSH
_EPOCH = 1_700_000_000.0
_ROUND_TRIP = 0.001


def write(path: Path, beats: int, every: float, answered: int | None = None) -> None:
    """Write a connection of 1 + ``beats`` requests, ``every`` seconds apart, of which the recording sees no end.

    ``answered`` is the length of a page of nginx; without, the answers are the sink's.
    """
    page = answer(ANSWER) if answered is None else _page(answered)
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        now, sent, received = _EPOCH, 1, 1

        def put(there: bool, flags: int, data: bytes = b"") -> None:
            ours, theirs = (sent, received) if there else (received, sent)
            if flags & _SYN:
                ours, theirs = 0, 0 if there else 1
            writer.writepkt(_frame(there, flags, ours, theirs, data), ts=now)

        put(True, _SYN)
        now += _ROUND_TRIP
        put(False, _SYN | _ACK)
        put(True, _ACK)
        for beat in range(1 + beats):
            now = _EPOCH + 2 * _ROUND_TRIP + beat * every
            put(True, _PSH | _ACK, _REQUEST)
            sent += len(_REQUEST)
            now += _ROUND_TRIP
            put(False, _PSH | _ACK, page)
            received += len(page)
            now += _ROUND_TRIP
            put(True, _ACK)


def _page(length: int) -> bytes:
    """An answer as nginx gives it, its body filled up with dots; the header's length differs by a few bytes at most."""
    head = (
        "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: text/html\r\n"
        f"Content-Length: {length}\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nConnection: keep-alive\r\n"
        'ETag: "6553f1f0-264"\r\nAccept-Ranges: bytes\r\n\r\n'
    )
    return head.encode() + b"." * length


def _frame(there: bool, flags: int, seq: int, ack: int, data: bytes) -> bytes:
    source, target = (_CLIENT, _SERVER) if there else (_SERVER, _CLIENT)
    ports = (_CLIENT_PORT, PORT) if there else (PORT, _CLIENT_PORT)
    options = dpkt.tcp.TCP_OPT_MSS.to_bytes() + b"\x04\x05\xb4" if flags & _SYN else b""
    tcp = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], seq=seq, ack=ack, flags=flags, win=64240, opts=options)
    tcp.off = 5 + len(options) // 4
    tcp.data = data
    ip = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_TCP, data=tcp)
    return bytes(dpkt.ethernet.Ethernet(data=ip))
