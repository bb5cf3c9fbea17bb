"""Headers are byte for byte what scapy builds from the same fields, and laid out as Linux lays them out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from gryphon.controller.record import Option
from gryphon.sender.replay.packet import PACKET
from gryphon.sender.transmit.checksum import as_words, payload_sum
from gryphon.sender.transmit.frames import HEADER_ROOM, destinations, put_headers
from gryphon.sender.transmit.interface import Target

TARGETS = [
    Target(IPv4Address("10.16.15.118"), 80, 0),
    Target(IPv6Address("fd00:16:15::118"), 8443, 1),
]
SOURCES = [IPv4Address("10.17.15.9"), IPv6Address("fd00:17::abcd:ef01")]
PAYLOAD = np.frombuffer(bytes(range(1, 252)) * 300, np.uint8)
SYN, PSH_ACK = 0x02, 0x18
ALL = Option.MSS | Option.WINDOW_SCALE | Option.SACK_PERMITTED | Option.TIMESTAMP


def packet(target: int, source: IPv4Address | IPv6Address | None = None, **fields: int) -> Any:
    """A row of ``PACKET`` to a target, from that target's usual source."""
    row = np.zeros(1, PACKET)
    value = int(source or SOURCES[target]) | (0xFFFF << 32 if target == 0 else 0)
    row["source_hi"], row["source_lo"] = divmod(value, 1 << 64)
    row["target"] = target
    for name, content in fields.items():
        row[name] = content
    return row[0]


def build(row: Any, identification: int = 1) -> bytes:
    """The whole packet: built headers, then the payload they point at."""
    frame = np.full(HEADER_ROOM // 4 + 8, 0xEEEEEEEE, np.uint32)
    table = destinations(TARGETS)[row["target"]]
    length = put_headers(frame, 4, row, table, payload_sum(row, PAYLOAD, as_words(PAYLOAD)), identification)
    assert (frame[:4] == 0xEEEEEEEE).all()
    assert (frame[4 + length // 4 :] == 0xEEEEEEEE).all()
    start = int(row["payload"])
    return frame.tobytes()[16 : 16 + length] + PAYLOAD[start : start + int(row["length"])].tobytes()


def expected(row: Any, options: list[Any], identification: int = 1) -> bytes:
    """The same packet by scapy, which computes lengths and checksums itself."""
    target = int(row["target"])
    source, to = str(SOURCES[target]), str(TARGETS[target].address)
    network = IPv6(src=source, dst=to) if target else IP(src=source, dst=to, id=identification, flags="DF")
    tcp = TCP(
        sport=int(row["port"]),
        dport=TARGETS[target].port,
        seq=int(row["seq"]),
        ack=int(row["ack"]),
        flags=int(row["flags"]),
        window=int(row["window"]),
        options=options,
    )
    start, length = int(row["payload"]), int(row["length"])
    return bytes(network / tcp / Raw(PAYLOAD[start : start + length].tobytes()))


both = pytest.mark.parametrize("target", [0, 1], ids=["IPv4", "IPv6"])


@both
def test_a_syn_carries_its_options_in_linux_order(target: int) -> None:
    row = packet(
        target, port=33000, seq=0xDEADBEEF, window=64240, flags=SYN, options=ALL, mss=1460, window_scale=7, tsval=12345
    )
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (12345, 0)), ("NOP", None), ("WScale", 7)]
    assert build(row) == expected(row, options)


@both
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 73, 74, 1447, 1448])
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_data_with_timestamps_is_right_at_any_offset_and_odd_length(target: int, length: int, offset: int) -> None:
    row = packet(
        target,
        port=61000,
        seq=0xFFFFFFFE,
        ack=0x80000001,
        window=501,
        flags=PSH_ACK,
        options=Option.TIMESTAMP,
        tsval=0xFFFFFFFF,
        tsecr=7,
        payload=offset,
        length=length,
    )
    assert build(row) == expected(row, [("NOP", None), ("NOP", None), ("Timestamp", (0xFFFFFFFF, 7))])


@both
def test_a_sum_that_comes_along_is_taken_as_it_is(target: int) -> None:
    made = packet(target, port=61000, flags=PSH_ACK, payload=1, length=73)
    data = PAYLOAD[1:74].tobytes() + b"\0"
    brought = packet(target, port=61000, flags=PSH_ACK, payload=1, length=73, summed=1)
    brought["payload_sum"] = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, 74, 2)) % 65535
    assert build(brought) == build(made)
    brought["payload_sum"] += 1
    assert build(brought) != build(made)


@both
@pytest.mark.parametrize("flags", [0x10, 0x11, 0x04, 0x14, 0xC2])
def test_a_segment_without_options_is_twenty_bytes_of_tcp(target: int, flags: int) -> None:
    row = packet(target, port=1, seq=1, ack=2, flags=flags)
    assert build(row) == expected(row, [])


@pytest.mark.parametrize(
    ("options", "bytes_of_linux"),
    [
        (Option(0), ""),
        (Option.MSS, "020405b4"),
        (Option.MSS | Option.SACK_PERMITTED, "020405b401010402"),
        (Option.MSS | Option.WINDOW_SCALE, "020405b401030307"),
        (Option.MSS | Option.SACK_PERMITTED | Option.WINDOW_SCALE, "020405b40101040201030307"),
        (Option.MSS | Option.TIMESTAMP, "020405b40101080a0000000500000000"),
        (ALL, "020405b40402080a000000050000000001030307"),
    ],
)
def test_options_are_padded_as_linux_pads_them(options: Option, bytes_of_linux: str) -> None:
    built = build(packet(0, flags=SYN, options=options, mss=1460, window_scale=7, tsval=5))
    assert built[40:].hex() == bytes_of_linux
    assert built[32] >> 4 == len(built[20:]) // 4


def test_the_identification_of_an_ipv4_packet_is_the_one_given() -> None:
    row = packet(0, flags=0x10)
    assert build(row, 0xABCD) == expected(row, [], 0xABCD)


@settings(deadline=None)  # the first example compiles
@given(
    target=st.integers(0, 1),
    source=st.binary(min_size=16, max_size=16),
    seq=st.integers(0, 2**32 - 1),
    ack=st.integers(0, 2**32 - 1),
    options=st.integers(0, 15),
    window=st.integers(0, 65535),
    payload=st.integers(0, 70_000),
    length=st.integers(0, 1460),
)
def test_every_packet_verifies_at_the_receiver(
    target: int, source: bytes, seq: int, ack: int, options: int, window: int, payload: int, length: int
) -> None:
    address = IPv6Address(source) if target else IPv4Address(source[:4])
    fields = {"seq": seq, "ack": ack, "options": options, "window": window, "payload": payload, "length": length}
    built = build(packet(target, address, flags=PSH_ACK, tsval=seq ^ ack, mss=1460, window_scale=7, **fields))
    size = 40 if target else 20
    pseudo = (built[8:40] if target else built[12:20]) + (6).to_bytes(2, "big") + (len(built) - size).to_bytes(4, "big")
    assert ones_complement(pseudo + built[size:]) == 0xFFFF
    if not target:
        assert ones_complement(built[:20]) == 0xFFFF


def ones_complement(data: bytes) -> int:
    """The 16-bit ones' complement sum; 0xFFFF over data that contains its own checksum."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF
    return total or 0xFFFF


def test_the_same_bytes_come_out_without_compilation() -> None:
    rows = [packet(target, seq=7, flags=PSH_ACK, options=ALL, payload=1, length=9) for target in (0, 1)]
    script = (
        "import json, sys, numpy as np; sys.path.insert(0, sys.argv[1]); import test_frames as t;"
        "rows = np.frombuffer(bytes.fromhex(sys.argv[2]), t.PACKET);"
        "print(json.dumps([t.build(row).hex() for row in rows]))"
    )
    plain = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), b"".join(row.tobytes() for row in rows).hex()],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(plain.stdout) == [build(row).hex() for row in rows]
