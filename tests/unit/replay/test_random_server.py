"""A server that says anything, also what no server may: the user survives it, keeps the rules, and comes to an end."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transcript import Message, Transcript

from gryphon.controller.record import RECORD, Kind
from gryphon.sender.replay.measures import Counter

MASK = 0xFFFFFFFF
SCRIPTS = st.sampled_from(
    [
        ([Message(100)], 50),
        ([Message(30_000), Message(10, 5, expect=3000), Message(2000, 1)], 500),
        ([Message(10), Message(20, 1), Message(30, 1)], 0),
        ([Message(10, 5, expect=80), Message(5000, 2000, expect=10)], 1),
    ]
)
FLAGS = st.sampled_from([".", ".", ".", "P.", "P.", "F.", "FP.", "R.", "R", "S.", "S", "", "F", "SFRP."])
OFFSET = st.one_of(st.just(0), st.integers(-3000, 3000), st.integers(-(1 << 31), (1 << 31) - 1))
SEGMENT = st.fixed_dictionaries(
    {
        "pause": st.one_of(st.just(0.0), st.floats(0, 50), st.floats(0, 3000)),
        "flags": FLAGS,
        "seq": OFFSET,
        "ack": OFFSET,
        "length": st.one_of(st.just(0), st.integers(1, 3000), st.integers(0, 500_000)),
        "window": st.one_of(st.just(0), st.integers(0, 65535)),
        "options": st.integers(0, 15),
        "kind": st.sampled_from([Kind.TCP] * 12 + [Kind.ICMP, Kind.ICMP, Kind.FRAGMENT]),
        "icmp_type": st.sampled_from([2, 3, 11]),
        "icmp_code": st.sampled_from([0, 1, 4]),
        "mss": st.sampled_from([0, 1, 500, 576, 1280, 1460, 9000]),
    }
)


class Watch:
    """What the server has really sent, and what it has allowed; every packet of the user is held against it."""

    def __init__(self, t: Transcript, scale: int) -> None:
        self.t, self.scale = t, scale
        self.ranges: list[tuple[int, int]] = []  # sequence space offered, FIN included
        self.next = 1
        self.una = 1
        self.edge = 1 + 65535

    def offered(self, record: Any, begin: int) -> None:
        """Remember the segment's sequence numbers, and whatever window it may have granted."""
        end = begin + int(record["length"]) + (int(record["flags"]) & 1)
        self.ranges.append((begin, end))
        acknowledged = self.relative(int(record["ack"]), self.t.client_isn)
        if record["flags"] & 16:
            self.edge = max(self.edge, acknowledged + (int(record["window"]) << self.scale))

    @staticmethod
    def relative(number: int, isn: int) -> int:
        return ((number - isn + (1 << 31)) & MASK) - (1 << 31)

    def look(self) -> None:
        """Check what the user has sent since the last look."""
        for _, packet in self.t.seen:
            if packet["flags"] & 4:
                continue
            if packet["flags"] & 16:
                acknowledged = self.relative(int(packet["ack"]), self.t.server_isn)
                assert acknowledged <= self._reachable(), "acknowledges what was never received"
            seq = self.relative(int(packet["seq"]), self.t.client_isn)
            length = int(packet["length"])
            if length and seq > self.una:
                assert seq + length <= self.edge, "sends beyond every window it was given"
            assert seq + length <= 1 + len(self.t.script.payload) + 1
            at = int(packet["payload"])
            assert not length or at == seq - 1, "other bytes at this place"
        self.t.drop()

    def _reachable(self) -> int:
        reached, moved = 1, True
        while moved:
            moved = False
            for begin, end in self.ranges:
                if begin <= reached < end:
                    reached, moved = end, True
        return reached


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    SCRIPTS,
    st.booleans(),
    st.integers(0, 14),
    st.sampled_from([1000, MASK - 800]),
    st.sampled_from([None, MASK - 40]),
    st.lists(SEGMENT, max_size=25),
    st.integers(0, 4),
)
def test_any_server_is_survived(
    script: tuple[list[Message], int],
    opens: bool,
    scale: int,
    server_isn: int,
    client_isn: int | None,
    segments: list[dict[str, Any]],
    end: int,
) -> None:
    messages, last = script
    t = Transcript(
        messages, last_expect=last, end=end, server_isn=server_isn, client_isn=client_isn, timeout_s=5.0, batch=64
    )
    watch = Watch(t, scale)
    t.until(0)
    if opens:
        t.open(window_scale=scale)
    following = 1
    for segment in segments:
        t.until(t.now_ms + segment["pause"])
        if opens:
            watch.look()
        fields = {name: segment[name] for name in ("window", "options", "kind", "icmp_type", "icmp_code", "mss")}
        sent = t.count(Counter.BYTES_SENT) + 1
        begin = following + segment["seq"]
        record = t.record(
            segment["flags"], begin, sent + segment["ack"], segment["length"], window_scale=scale, **fields
        )
        if fields["kind"] == Kind.TCP and opens:
            watch.offered(record, begin)
        t.give_all(record)
        if segment["seq"] == 0:
            following += segment["length"] + ("F" in segment["flags"])
        if opens:
            watch.look()
    t.until(t.now_ms + 4_000_000)
    t.balanced()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=64, max_size=64), min_size=1, max_size=30))
def test_any_bytes_as_records_are_survived(rows: list[bytes]) -> None:
    """Nothing in a record is trusted but its size; lengths stay below the 4 GB that no segment has."""
    t = Transcript([Message(3000)], last_expect=50, timeout_s=5.0).open()
    template = t.record(".", 1, 1)
    records = np.frombuffer(b"".join(rows), RECORD).copy()
    for name in ("address_hi", "address_lo", "port", "generation", "service"):
        records[name] = template[name]
    records["length"] &= 0xFFFFF
    records["time_ns"] &= (1 << 40) - 1
    t.give_all(*records)
    t.until(4_000_000)
    t.balanced()
