"""Frames are byte for byte what scapy builds from the same fields, and lie where the table of places says."""

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
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.record import Option
from gryphon.sender.replay.packet import PACKET
from gryphon.sender.transmit.frames import destinations
from gryphon.sender.transmit.hops import Hop
from gryphon.sender.transmit.interface import Target
from gryphon.sender.transmit.wire import FRAME_ROOM, PLACE, Memory, build, links

V4, V6 = IPv4Address("10.16.15.118"), IPv6Address("fd00:16:15::118")
SOURCE, GATEWAY = bytes.fromhex("020010161511"), bytes.fromhex("020010161512")
VLAN, QINQ = ((0x8100, 0x6064),), ((0x88A8, 0x2005), (0x8100, 0x0FFE))
PAYLOAD = np.frombuffer(bytes(range(1, 252)) * 300, np.uint8)
LARGEST = 3000
EMPTY = 0xEE


def hop(tags: tuple[tuple[int, int], ...] = (), mtu: int = 1500, lower: int = 7) -> Hop:
    return Hop("eth0", 9, SOURCE, GATEWAY, mtu, lower, tags)


TARGETS = [Target(address, 80 + i, i) for i, address in enumerate((V4, V6) * 3)]
HOPS = [hop(tags) for tags in ((), VLAN, QINQ) for _ in range(2)]
"""IPv4 and IPv6, without tags, in a VLAN and in QinQ."""


class Built:
    """What one call of the kernel made."""

    def __init__(
        self, packets: Any, hops: list[Hop] = HOPS, *, size: int = 1 << 16, places: int = 64, number: int = 0
    ) -> None:
        self.memory = np.full(size, EMPTY, np.uint8)
        self.places: Any = np.zeros(places, PLACE)
        ways, memory, payload = links(TARGETS[: len(hops)], hops, LARGEST), Memory(self.memory), Memory(PAYLOAD)
        self.taken = build(
            packets, payload.bytes, payload.eights, destinations(TARGETS), ways, memory.bytes, memory.words,
            memory.eights, self.places, number,
        )  # fmt: skip

    @property
    def frames(self) -> list[bytes]:
        return [
            self.memory[place["offset"] : place["offset"] + place["length"]].tobytes()
            for place in self.places[: self.taken]
        ]


def expected(row: Any, identification: int) -> bytes:
    """The same frame by scapy, which computes lengths and checksums itself."""
    target = int(row["target"])
    to, value = TARGETS[target].address, int(row["source_hi"]) << 64 | int(row["source_lo"])
    frame: Packet = Ether(src=SOURCE, dst=GATEWAY)
    for kind, tag in HOPS[target].tags:
        layer = Dot1AD if kind == 0x88A8 else Dot1Q
        frame /= layer(prio=tag >> 13, dei=tag >> 12 & 1, vlan=tag & 0xFFF)
    if target % 2:
        frame /= IPv6(src=str(IPv6Address(value)), dst=str(to))
    else:
        frame /= IP(src=str(IPv4Address(value & 0xFFFFFFFF)), dst=str(to), id=identification, flags="DF")
    tcp = TCP(
        sport=int(row["port"]), dport=TARGETS[target].port, seq=int(row["seq"]), ack=int(row["ack"]),
        flags=int(row["flags"]), window=int(row["window"]), options=_options(row),
    )  # fmt: skip
    start, length = int(row["payload"]), int(row["length"])
    return bytes(frame / tcp / Raw(PAYLOAD[start : start + length].tobytes()))


def _options(row: Any) -> list[Any]:
    """Linux's order and padding, in scapy's words."""
    wanted = Option(int(row["options"]))
    options: list[Any] = [("MSS", int(row["mss"]))] if Option.MSS in wanted else []
    nops = [("NOP", None)] * 2
    if Option.TIMESTAMP in wanted:
        options += [("SAckOK", b"")] if Option.SACK_PERMITTED in wanted else nops
        options += [("Timestamp", (int(row["tsval"]), int(row["tsecr"])))]
    elif Option.SACK_PERMITTED in wanted:
        options += [*nops, ("SAckOK", b"")]
    if Option.WINDOW_SCALE in wanted:
        options += [("NOP", None), ("WScale", int(row["window_scale"]))]
    return options


def rows(count: int, **fields: Any) -> Any:
    """Segments of ``count`` users to the first target."""
    packets = np.zeros(count, PACKET)
    packets["source_lo"] = np.arange(count, dtype=np.uint64) + np.uint64(0xFFFF_0A11_0001)
    packets["row"] = packets["seq"] = np.arange(count)
    packets["flags"] = 0x18
    for name, value in fields.items():
        packets[name] = value
    return packets


@st.composite
def packets(draw: st.DrawFn) -> Any:
    """Up to eight packets of any fields, to any target."""
    count = draw(st.integers(1, 8))
    made = np.zeros(count, PACKET)
    every = [name for name in PACKET.names or () if name not in ("reserved", "payload", "target", "options", "length")]
    for row in made:
        row["target"] = draw(st.integers(0, len(TARGETS) - 1))
        for name in every:
            row[name] = draw(st.integers(0, np.iinfo(PACKET[name]).max))
        if row["target"] % 2 == 0:
            row["source_hi"], row["source_lo"] = 0, 0xFFFF << 32 | int(row["source_lo"]) & 0xFFFFFFFF
        row["options"] = draw(st.integers(0, 15))
        row["payload"], row["length"] = draw(st.integers(0, 70_000)), draw(st.integers(0, 1400))
    return made


@given(made=packets(), number=st.integers(0, 0xFFFE))
def test_every_frame_is_what_scapy_builds(made: Any, number: int) -> None:
    built = Built(made, number=number)
    assert built.taken == len(made)
    assert built.frames == [expected(row, (number + i) % 0xFFFF + 1) for i, row in enumerate(made)]


@given(made=packets())
def test_frames_do_not_touch_and_ip_headers_are_at_whole_words(made: Any) -> None:
    built = Built(made)
    end = 0
    for row, place in zip(made, built.places, strict=False):
        assert place["offset"] >= end
        end = place["offset"] + place["length"]
        assert (place["offset"] + 14 + 4 * len(HOPS[row["target"]].tags)) % 4 == 0
    assert (built.memory[end:] == EMPTY).all()


def test_a_full_memory_ends_a_batch_and_what_fitted_is_whole() -> None:
    made = rows(40, length=1000)
    built = Built(made, size=FRAME_ROOM + 10_000)
    assert 9 <= built.taken <= 11
    assert built.frames == [expected(row, i + 1) for i, row in enumerate(made[: built.taken])]


def test_a_full_table_ends_a_batch() -> None:
    assert Built(rows(9), places=5).taken == 5


def test_a_batch_goes_to_one_device() -> None:
    made = rows(6, target=[0, 1, 0, 0, 1, 1])
    assert Built(made, [hop(lower=7), hop(lower=8)]).taken == 1
    assert Built(made[2:], [hop(lower=7), hop(lower=8)]).taken == 2
    assert Built(made[4:], [hop(lower=7), hop(lower=8)]).taken == 2


@pytest.mark.parametrize(("mtu", "largest"), [(1500, 1500), (9000, LARGEST - 14)], ids=["MTU", "live frame"])
def test_a_packet_that_is_too_large_for_its_way_is_not_taken(mtu: int, largest: int) -> None:
    fits, exceeds = largest - 40, largest - 39
    assert Built(rows(3, length=[fits, fits, exceeds]), [hop(mtu=mtu)]).taken == 2
    assert Built(rows(1, length=exceeds), [hop(mtu=mtu)]).taken == 0


def test_more_tags_than_two_are_refused_with_a_way_out() -> None:
    with pytest.raises(EnvironmentFault, match=r"3 VLAN tags.*--transmit raw"):
        links(TARGETS[:1], [hop((*QINQ, *VLAN))], LARGEST)


def test_the_same_bytes_come_out_without_compilation() -> None:
    made = rows(12, length=[9, 0] * 6, options=15, payload=1, target=list(range(6)) * 2)
    script = (
        "import json, sys, numpy as np; sys.path.insert(0, sys.argv[1]); import test_wire as t;"
        "made = np.frombuffer(bytes.fromhex(sys.argv[2]), t.PACKET);"
        "print(json.dumps([frame.hex() for frame in t.Built(made).frames]))"
    )
    plain = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), made.tobytes().hex()],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(plain.stdout) == [frame.hex() for frame in Built(made).frames]
