"""A server that keeps rules as often as it breaks them, and a witness that holds every packet of the users to them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from peer import GENERATION, check_sums

from gryphon.controller.record import RECORD, Kind
from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.rows import UNSCALED
from gryphon.sender.replay.script import Script

MASK = 0xFFFFFFFF
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SAMPLE = 32
LETTERS = b"==;;t0123456789 "
ODD_FLAGS = [ACK, ACK | PSH, FIN | ACK, RST, RST | ACK, SYN, SYN | ACK, 0, FIN, 31]
DISTANCES = [0, -1, 1, -1000, 1000, -(1 << 31), (1 << 31) - 1, 1 << 30]


def relative(number: int, base: int) -> int:
    return ((number - base + (1 << 31)) & MASK) - (1 << 31)


@dataclass
class Connection:
    """What both ends of one connection have said so far; numbers are relative to each end's SYN."""

    syn: Any
    server_isn: int
    opened: bool = False
    next: int = 1  # what the server sends next in order
    ranges: list[tuple[int, int]] = field(default_factory=list)  # what it has sent, FIN included
    received: int = 1  # what the user may acknowledge at most
    top: int = 1  # what the user has sent, FIN included
    closed: bool = False  # by the user's FIN
    done: bool = False  # by the server's
    stream: bytearray = field(default_factory=bytearray)

    @property
    def place(self) -> tuple[int, int]:
        return int(self.syn["source_lo"]), int(self.syn["port"])

    def offer(self, begin: int, end: int) -> None:
        """The server has sent this; what may be acknowledged follows from all that it has sent."""
        self.ranges.append((begin, end))
        for _ in self.ranges:
            self.received = max([self.received, *(end for at, end in self.ranges if at <= self.received < end)])


class Moody:
    """The server, the time, and what the users have sent."""

    def __init__(self, engine: Engine, script: Script, scale: int, until_s: float | None) -> None:
        self.engine, self.script, self.scale = engine, script, scale
        self.until_ns = 1 << 62 if until_s is None else int(until_s * 1e9)
        self.now = self.packets = self.again = self.given = 0
        self.current: dict[int, Connection] = {}
        self.all: list[Connection] = []

    # -- the users -----------------------------------------------------------------------------------------------------

    def step(self, records: Any = None, samples: Any = None) -> None:
        """One record at most, so that the windows of a row are still those that its packets left under."""
        given = np.zeros(0, RECORD) if records is None else records
        seen = np.zeros((0, 0), np.uint8) if samples is None else samples
        self.given += len(given)
        while True:
            fresh: list[tuple[int, Connection]] = []
            packets = self.engine.step(self.now, given, seen)
            check_sums(packets, self.script)
            for packet in packets:
                self._witness(packet, fresh)
            for row, connection in fresh:
                if self.current[row] is connection:
                    self._check_windows(row, connection)
            given, seen = given[self.engine.consumed :], seen[self.engine.consumed :]
            if len(given) == 0:
                return

    def wait(self, ns: int) -> None:
        """Let the time pass, from deadline to deadline."""
        end = self.now + ns
        self.step()
        while self.now < end and not self.engine.finished:
            self.now = min(end, self.now + max(self.engine.idle_ns(self.now, min(end - self.now, 60 * 10**9)), 64_000))
            self.step()

    def _witness(self, packet: Any, fresh: list[tuple[int, Connection]]) -> None:
        self.packets += 1
        row, flags = int(packet["row"]), int(packet["flags"])
        if flags & RST:
            return
        if flags & SYN:
            self._on_syn(row, packet.copy())
            return
        c = self.current[row]
        assert (int(packet["source_lo"]), int(packet["port"])) == c.place, "speaks for an earlier session"
        assert relative(int(packet["ack"]), c.server_isn) <= c.received, "acknowledges what was never received"
        begin, length = relative(int(packet["seq"]), int(c.syn["seq"])), int(packet["length"])
        end = begin + length + (flags & FIN)
        if end == begin:
            assert begin in (c.top, *(c.top - 1,)[: length == 0]) or begin < c.top, "acknowledges beyond its end"
            return
        at = int(packet["payload"])
        payload = bytes(self.script.payload[at : at + length])
        known = c.stream[begin - 1 : begin - 1 + length]
        assert payload[: len(known)] == known, "other bytes at this place"
        assert begin <= c.top, "leaves a gap"
        if end <= c.top:
            self.again += 1
            return
        c.stream += payload[len(known) :]
        c.top, c.closed = end, c.closed or bool(flags & FIN)
        if length:
            fresh.append((row, c))

    def _on_syn(self, row: int, syn: Any) -> None:
        """A SYN again, or a user that comes for the first time or comes back."""
        before = self.current.get(row)
        if before is not None and (before.syn["seq"], *before.place) == (syn["seq"], syn["source_lo"], syn["port"]):
            self.again += 1
            return
        assert self.now < self.until_ns, "a session begins after the run's time"
        self.current[row] = Connection(syn, (977 * len(self.all) - 3000) & MASK)
        self.all.append(self.current[row])

    def _check_windows(self, row: int, c: Connection) -> None:
        """What has just left for the first time lies below both windows."""
        user = self.engine._users[row]
        una = relative(int(user["snd_una"]), int(c.syn["seq"]))
        scale = 0 if user["peer_scale"] & UNSCALED else int(user["peer_scale"])
        assert len(c.stream) + 1 <= una + (int(user["window"]) << scale), "sends beyond the server's window"
        if user["retries"] == 0:
            assert len(c.stream) + 1 <= una + int(user["cwnd"]) * int(user["mss"]), "beyond the congestion window"

    # -- the server ----------------------------------------------------------------------------------------------------

    def act(self, kind: str, number: int, detail: int) -> None:
        """One move towards one connection, the present ones first."""
        draw = random.Random(detail)
        self.wait(draw.choice([0, 0, 3_000_000, 3_000_000, draw.randrange(50_000_000), draw.randrange(3_000_000_000)]))
        if not self.current:
            return
        present = [self.current[row] for row in sorted(self.current)]
        c = draw.choice(self.all) if kind == "old" else present[number % len(present)]
        if kind == "odd" or c not in present:
            self._odd(c, draw)
        elif kind == "refuse":
            self._refuse(c, draw)
        elif not c.opened:
            c.opened = True
            options, mss = draw.choice([0, 3, 15, 15]), draw.choice([0, 50, 536, 1460, 9000])
            self._give(c, draw, SYN | ACK, 0, 1, 0, options=options, mss=mss, window_scale=self.scale)
        else:
            self._go_on("close" if kind == "answer" and c.closed and not c.done else kind, c, draw)

    def _go_on(self, kind: str, c: Connection, draw: random.Random) -> None:
        """A move that a server may make on an open connection."""
        size = (
            draw.choice([1, 300, 1448, 4000, *[self._awaited(c)] * 8]) if kind in ("answer", "finish", "ahead") else 0
        )
        skip = draw.choice([1, 1448]) if kind == "ahead" else 0
        flags = ACK | (PSH if size and draw.random() < 0.8 else 0) | (FIN if kind in ("close", "finish") else 0)
        begin = draw.choice([1, c.next - 1]) if kind == "again" else c.next + skip
        length = max(c.next - begin, 0) if kind == "again" else size
        ack = draw.randrange(1, c.top + 1) if kind == "part" else c.top
        if kind in ("answer", "close", "finish"):
            c.next += size + (flags & FIN)
            c.done = c.done or bool(flags & FIN)
        self._give(c, draw, flags, begin, ack, length)

    def _awaited(self, c: Connection) -> int:
        """How many bytes the user's script waits for."""
        row = int(c.syn["row"])
        return int(self.script.entries[self.engine._users[row]["message"]]["expect"])

    def _odd(self, c: Connection, draw: random.Random) -> None:
        """Anything at all."""
        flags, ack = draw.choice(ODD_FLAGS), c.top + draw.choice(DISTANCES)
        if not c.opened and ack == c.top:
            ack += 7
        self._give(c, draw, flags, c.next + draw.choice(DISTANCES), ack, draw.choice([0, 0, 1, 3000, 100_000]))

    def _refuse(self, c: Connection, draw: random.Random) -> None:
        """A reset where it counts, or an ICMP error about what is on its way."""
        if draw.random() < 0.5:
            self._give(c, draw, RST | ACK, c.next if c.opened else 0, c.top, 0)
            return
        icmp = {"kind": Kind.ICMP, "icmp_type": draw.choice([3, 11]), "icmp_code": draw.choice([1, 4])}
        seq = int(c.syn["seq"]) + draw.choice([0, c.top - 1]) - c.server_isn
        self._give(c, draw, 0, seq, 0, 0, mss=draw.choice([0, 200, 576, 1400]), **icmp)

    def _give(
        self, c: Connection, draw: random.Random, flags: int, seq: int, ack: int, length: int, **fields: int
    ) -> None:
        """One record arrives, with a sample of its payload."""
        record, sample = np.zeros(1, RECORD), np.zeros((1, SAMPLE), np.uint8)
        window = draw.choice([0, 10, 1000, 65535, 65535])
        values = {"time_ns": self.now, "generation": GENERATION, "version": 4, "window": window, "flags": flags}
        values |= {"address_hi": int(c.syn["source_hi"]), "address_lo": c.place[0], "port": c.place[1]}
        values |= {"seq": (c.server_isn + seq) & MASK, "ack": (int(c.syn["seq"]) + ack) & MASK, "length": length}
        values |= {"options": draw.choice([0, 8]), "tsval": draw.randrange(100), **fields}
        values["sample_length"] = min(length, draw.choice([0, SAMPLE, SAMPLE]))
        for name, value in values.items():
            record[0][name] = value
        sample[0] = draw.choices(LETTERS, k=SAMPLE)
        if fields.get("kind", Kind.TCP) == Kind.TCP and not flags & SYN:
            c.offer(seq, seq + length + (flags & FIN))
        self.step(record, sample)

    def count(self, counter: Counter) -> int:
        return int(self.engine.counters[counter])
