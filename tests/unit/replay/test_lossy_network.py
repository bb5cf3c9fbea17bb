"""Loss, reordering and duplication in both directions: every byte arrives once, in order, and everybody completes."""

from __future__ import annotations

import heapq
import random
from typing import Any

import numpy as np
import pytest
from peer import ALL_OPTIONS, GENERATION, MS, Message, make_engine, make_script

from gryphon.controller.record import RECORD
from gryphon.sender.replay.measures import FAILURES, Counter

MASK = 0xFFFFFFFF
REQUESTS = [400, 20_000, 300]
ANSWERS = [3000, 60_000, 900]
MSS = 1448  # timestamps take their part
RTO_NS = 220 * MS


class Server:
    """The server's end of one connection: reassembles, answers whole requests, retransmits, closes after the client."""

    def __init__(self, isn: int, client_isn: int) -> None:
        self.isn, self.client_isn = isn, client_isn
        self.received = bytearray()
        self.kept: dict[int, bytes] = {}
        self.fin_at: int | None = None
        self.una = self.next = 0  # of our stream, FIN included
        self.length = 0
        self.closing = False
        self.duplicates = 0
        self.rto_ns: int | None = None
        self.tries = 0

    @property
    def ack(self) -> int:
        closed = self.fin_at is not None and self.fin_at == len(self.received)
        return (self.client_isn + 1 + len(self.received) + closed) & MASK

    def hear(self, packet: Any, payload: bytes) -> bool:
        """Take a segment; whether it is acknowledged."""
        at = ((int(packet["seq"]) - self.client_isn - 1 + (1 << 31)) & MASK) - (1 << 31)
        if payload:
            kept = self.kept.get(at, b"")
            self.kept[at] = payload if len(payload) > len(kept) else kept
        if packet["flags"] & 1:
            self.fin_at = at + len(payload)
        for start in sorted(self.kept):
            data = self.kept[start]
            if start <= len(self.received):
                overlap = len(self.received) - start
                assert data[:overlap] == self.received[start : start + len(data[:overlap])], "other bytes, same place"
                self.received += data[overlap:]
                del self.kept[start]
        self._speak()
        self._acknowledged(int(packet["ack"]), bool(payload))
        return bool(payload) or bool(packet["flags"] & 1)

    def _speak(self) -> None:
        done = sum(1 for end in np.cumsum(REQUESTS) if len(self.received) >= end)
        self.length = sum(ANSWERS[:done])
        self.closing = self.fin_at is not None and len(self.received) == self.fin_at

    def _acknowledged(self, number: int, data: bool) -> None:
        ahead = (number - self.isn - 1) & MASK
        if self.una < ahead <= self.next:
            self.una, self.duplicates, self.tries = ahead, 0, 0
            self.rto_ns = None
        elif ahead == self.una and self.next > self.una and not data:
            self.duplicates += 1

    def segments(self, now: int) -> list[tuple[int, int, int]]:
        """(offset, length, flags) of what is to be sent now."""
        whole = self.length + self.closing
        again = self.duplicates == 3 or (self.rto_ns is not None and now >= self.rto_ns)
        out = []
        if again and self.next > self.una:
            out.append(self._cut(self.una))
            self.tries += self.duplicates != 3
            self.duplicates += 1
            self.rto_ns = None
        while self.next < whole and self.next - self.una < 20 * MSS:
            out.append(self._cut(self.next))
            offset, length, flags = out[-1]
            self.next = offset + length + (flags & 1)
        if self.next > self.una and self.rto_ns is None:
            self.rto_ns = now + (RTO_NS << min(self.tries, 6))
        return out

    def _cut(self, offset: int) -> tuple[int, int, int]:
        ends = [int(end) for end in np.cumsum(ANSWERS) if end > offset]
        length = max(min(self.length - offset, MSS, *(end - offset for end in ends[:1])), 0)
        push = 8 if offset + length in {int(end) for end in np.cumsum(ANSWERS)} and length else 0
        last = 1 if self.closing and offset + length == self.length else 0
        return offset, length, 16 | push | last


class Network:
    """Both directions between an engine and its servers, with a seeded mood."""

    def __init__(self, seed: int, loss: float, script: Any) -> None:
        self.random, self.loss, self.script = random.Random(seed), loss, script
        self.servers: dict[tuple[int, int], Server] = {}
        self.done: dict[tuple[int, int], Server] = {}
        self.packets: dict[tuple[int, int], Any] = {}
        self.up: list[tuple[int, int, Any]] = []
        self.down: list[tuple[int, int, Any]] = []
        self.serial = 0

    def carry(self, queue: list[tuple[int, int, Any]], now: int, what: Any) -> None:
        """Lose it, or deliver it once or twice, early or late."""
        for _ in range(2 if self.random.random() < self.loss / 2 else 1):
            if self.random.random() >= self.loss:
                late = self.random.random() < self.loss
                self.serial += 1
                heapq.heappush(queue, (now + MS + (self.random.randrange(3 * MS) if late else 0), self.serial, what))

    def tell(self, now: int, key: tuple[int, int], server: Server, offset: int, length: int, flags: int) -> None:
        """One of the server's segments on its way."""
        record = np.zeros(1, RECORD)[0]
        record["address_lo"], record["port"] = key
        record["seq"], record["ack"] = (server.isn + 1 + offset) & MASK, server.ack
        record["length"], record["flags"], record["window"] = length, flags, 60_000
        record["generation"], record["version"] = GENERATION, 4
        if flags & 2:
            record["seq"], record["options"], record["mss"], record["window_scale"] = server.isn, ALL_OPTIONS, 1460, 2
        self.carry(self.down, now, record)

    def deliver(self, now: int) -> None:
        """Packets whose time has come reach their servers, which answer."""
        touched = set()
        while self.up and self.up[0][0] <= now:
            packet = heapq.heappop(self.up)[2]
            key = int(packet["source_lo"]), int(packet["port"])
            at, size = int(packet["payload"]), int(packet["length"])
            if packet["flags"] & 2:
                isn = (0xFFFFFFFF - 5000 + 977 * len(self.servers)) & MASK
                server = self.servers.setdefault(key, Server(isn, int(packet["seq"])))
                self.tell(now, key, server, -1, 0, 18)
            elif key in self.servers:
                touched.add(key)
                if self.servers[key].hear(packet, bytes(self.script.payload[at : at + size])):
                    self.tell(now, key, self.servers[key], self.servers[key].next, 0, 16)
        for key, server in self.servers.items():
            if key in touched or (server.rto_ns is not None and now >= server.rto_ns and server.tries < 12):
                for offset, length, flags in server.segments(now):
                    self.tell(now, key, server, offset, length, flags)

    def arrived(self, now: int) -> Any:
        """Records whose time has come."""
        records = []
        while self.down and self.down[0][0] <= now:
            record = heapq.heappop(self.down)[2].copy()
            record["time_ns"] = now
            records.append(record)
        return np.array(records, RECORD) if records else np.zeros(0, RECORD)


def simulate(seed: int, loss: float, users: int) -> tuple[Any, Network, Any]:
    """Run the users through the network."""
    messages = [Message(REQUESTS[0], 1), *(Message(size, 2, expect=ANSWERS[i]) for i, size in enumerate(REQUESTS[1:]))]
    script = make_script(messages, last_expect=ANSWERS[-1])
    engine = make_engine(script, users=users, rate=500.0)
    network = Network(seed, loss, script)
    now = 0
    while not engine.finished and now < 300_000 * MS:
        records = network.arrived(now)
        while True:
            for packet in engine.step(now, records):
                network.carry(network.up, now, packet.copy())
            records = records[engine.consumed :]
            if len(records) == 0:
                break
        network.deliver(now)
        now += MS // 2
    return engine, network, script


@pytest.mark.parametrize(("loss", "seed"), [(0.0, 1), (0.01, 1), (0.01, 2), (0.05, 1), (0.05, 2), (0.1, 1)])
def test_everything_arrives_once_and_in_order(loss: float, seed: int) -> None:
    engine, network, script = simulate(seed, loss, users=12)
    counters = engine.counters
    assert engine.finished
    for server in network.servers.values():
        assert bytes(server.received) == bytes(script.payload)[: len(server.received)]
    if loss <= 0.05:
        assert counters[Counter.COMPLETED] == 12
        assert all(len(server.received) == sum(REQUESTS) for server in network.servers.values())
        assert counters[Counter.BYTES_RECEIVED] == 12 * sum(ANSWERS)
        assert counters[Counter.BYTES_SENT] == 12 * sum(REQUESTS)
        assert counters[Counter.MESSAGES_ANSWERED] == 12 * 3
        assert counters[Counter.MISMATCHED] == 0
    assert counters[Counter.STARTED] == counters[Counter.COMPLETED] + sum(counters[c] for c in FAILURES.values())
    assert counters[Counter.RETRANSMITTED] == 0 or loss > 0
    assert counters[Counter.ACTIVE] == 0


@pytest.mark.parametrize("place", range(5))
def test_loss_against_completion_is_as_the_committed_table_says(place: int) -> None:
    """Virtual time and a seed: the same to the last packet on every machine. losses.py makes the table anew."""
    from losses import LOSSES, SNAPSHOT, row

    assert row(LOSSES[place]) == SNAPSHOT.read_text().splitlines()[1 + place]
