"""A server in a few lines, for engine tests: it answers the engine's packets with records, in virtual time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from gryphon.controller.record import RECORD, Option
from gryphon.sender.replay.addresses import BLOCK
from gryphon.sender.replay.arrivals import Arrivals
from gryphon.sender.replay.engine import Engine, Plan
from gryphon.sender.replay.measures import Measures
from gryphon.sender.replay.script import Script, compile_script
from gryphon.sender.replay.verify import Verify

SESSION_COLUMNS = np.dtype(
    [
        ("payload", "i8"),
        ("length", "i8"),
        ("messages", "i8"),
        ("first_message", "i8"),
        ("server_port", "u2"),
        ("syn_window", "u2"),
        ("syn_mss", "u2"),
        ("syn_options", "u1"),
        ("syn_window_scale", "u1"),
        ("end", "u1"),
    ]
)
MESSAGE_COLUMNS = np.dtype(
    [
        ("stream_end", "i8"),
        ("gap_ns", "i8"),
        ("expect", "i8"),
        ("answer_ns", "i8"),
        ("settle_ns", "i8"),
        ("pushed", "i8"),
        ("head", "i8"),
        ("head_length", "u2"),
        ("overlaps", "u1"),
    ]
)

MS = 1_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
GENERATION = 7
ALL_OPTIONS = Option.MSS | Option.WINDOW_SCALE | Option.SACK_PERMITTED | Option.TIMESTAMP


@dataclass
class Message:
    """One message of a test script: bytes, the gap before it, and the answer that is waited for before it.

    ``head`` is how the recorded answer began.
    """

    size: int
    gap_ms: float = 1.0
    expect: int = 0
    answer_ms: float = 0.0
    overlaps: bool = False
    head: bytes = b""


def make_script(
    messages: list[Message],
    *,
    end: int = 1,
    last_expect: int = 0,
    last_gap_ms: float = 1.0,
    speed: float = 1.0,
    options: int = ALL_OPTIONS,
    sessions: int = 1,
    hold_s: float | None = None,
    push: bool = False,
    last_head: bytes = b"",
    verify: Verify | None = None,
) -> Script:
    """A script of identical sessions."""
    session = np.zeros(sessions, SESSION_COLUMNS)
    rows = np.zeros(sessions * (len(messages) + 1), MESSAGE_COLUMNS)
    size = sum(message.size for message in messages)
    every = [*messages, Message(0, last_gap_ms, last_expect, head=last_head)]
    heads = b"".join(message.head for message in every)
    for at in range(sessions):
        first = at * (len(messages) + 1)
        session[at] = (0, size, len(messages), first, 80, 64240, 1460, options, 7, end)
        stream = head = 0
        for index, message in enumerate(every):
            stream += message.size
            rows[first + index] = (
                stream,
                message.gap_ms * MS,
                message.expect,
                message.answer_ms * MS,
                200 * MS,
                0,
                head,
                len(message.head),
                message.overlaps,
            )
            head += len(message.head)
    recording = SimpleNamespace(
        sessions=session,
        messages=rows,
        payload=np.arange(size, dtype=np.uint8),
        heads=np.frombuffer(heads or b"\0", np.uint8),
    )
    return compile_script(recording, {80: 0}, speed, hold_s, push=push, verify=verify)


def make_engine(
    script: Script,
    *,
    users: int = 1,
    rate: float = 1000.0,
    epoch_ns: int = 0,
    batch: int = 8192,
    measures: Measures | None = None,
    **plan: Any,
) -> Engine:
    """An engine whose users come from 10.17.15.1 to .254."""
    blocks = np.zeros(1, BLOCK)
    blocks[0] = (0, 0xFFFF_0A11_0F01, 254, 0)
    plan = {"blocks": blocks, "services": [0], "generation": GENERATION, "arrivals": Arrivals(((0.0, rate),)), **plan}
    return Engine(script, Plan(users=users, **plan), epoch_ns, batch, measures)


@dataclass
class Connection:
    """The server's end of one connection."""

    packet: Any  # the SYN: whom to answer
    snd_nxt: int
    rcv_nxt: int
    received: int = 0


@dataclass
class Peer:
    """A server: hears packets, answers with records that are due ``delay_ns`` later."""

    answer: Callable[[int, int], int]  # (bytes received so far, bytes of this segment) -> bytes to answer
    delay_ns: int = MS
    window: int = 65535
    scale: int = 7
    options: int = ALL_OPTIONS
    mss: int = 1460
    closes_first_after: int | None = None
    connections: dict[tuple[int, int], Connection] = field(default_factory=dict)
    pending: list[tuple[int, Any]] = field(default_factory=list)
    finished: int = 0
    streams: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    lose: Callable[[Any], bool] = lambda packet: False

    def record(self, now: int, packet: Any, flags: int, seq: int, ack: int, length: int = 0, **fields: Any) -> None:
        """Queue one record to the packet's sender."""
        record = np.zeros(1, RECORD)[0]
        values = {
            "time_ns": now + self.delay_ns,
            "address_hi": packet["source_hi"],
            "address_lo": packet["source_lo"],
            "port": packet["port"],
            "seq": seq & 0xFFFFFFFF,
            "ack": ack & 0xFFFFFFFF,
            "length": length,
            "window": self.window,
            "flags": flags,
            "generation": GENERATION,
            "version": 4,
            **fields,
        }
        for name, value in values.items():
            record[name] = value
        self.pending.append((now + self.delay_ns, record))

    def hear(self, now: int, packet: Any, payload: bytes) -> None:
        """One packet of a user arrives."""
        if self.lose(packet):
            return
        key = (int(packet["source_lo"]), int(packet["port"]))
        flags = int(packet["flags"])
        if flags & SYN:
            seq = 1_000_000
            self.connections[key] = Connection(packet.copy(), seq + 1, (int(packet["seq"]) + 1) & 0xFFFFFFFF)
            self.streams[key] = bytearray()
            options = {"options": self.options & (int(packet["options"]) | Option.MSS), "mss": self.mss}
            ack = self.connections[key].rcv_nxt
            self.record(now, packet, SYN | ACK, seq, ack, window_scale=self.scale, tsval=5, **options)
            return
        connection = self.connections.get(key)
        if connection is None:
            return
        if flags & RST:
            del self.connections[key]
            return
        self._segment(now, packet, payload, connection, key, flags)

    def _segment(self, now: int, packet: Any, payload: bytes, c: Connection, key: tuple[int, int], flags: int) -> None:
        """A segment of an open connection: only what is in order counts."""
        length = int(packet["length"])
        if (length or flags & FIN) and int(packet["seq"]) != c.rcv_nxt:
            self.record(now, packet, ACK, c.snd_nxt, c.rcv_nxt)
            return
        c.rcv_nxt = (c.rcv_nxt + length + (flags & FIN)) & 0xFFFFFFFF
        c.received += length
        self.streams[key] += payload
        answer = self.answer(c.received, length) if length else 0
        closing = bool(flags & FIN) or (self.closes_first_after is not None and c.received >= self.closes_first_after)
        if length or flags & FIN:
            self.record(
                now, packet, ACK | (PSH if answer else 0) | (FIN if closing else 0), c.snd_nxt, c.rcv_nxt, answer
            )
            c.snd_nxt = (c.snd_nxt + answer + closing) & 0xFFFFFFFF
        if closing:
            self.finished += 1

    def due(self, now: int) -> Any:
        """Records whose time has come."""
        ready = [record for at, record in self.pending if at <= now]
        self.pending = [(at, record) for at, record in self.pending if at > now]
        return np.array(ready, RECORD) if ready else np.zeros(0, RECORD)


def check_sums(packets: Any, script: Script) -> None:
    """Every payload's sum that a packet carries is that of the bytes it points at, by the definition (RFC 1071)."""
    for packet in packets[packets["summed"] != 0]:
        at, length = int(packet["payload"]), int(packet["length"])
        data = bytes(script.payload[at : at + length])
        words = struct.unpack(f"!{(length + 1) // 2}H", data + bytes(length % 2))
        assert sum(words) % 65535 == packet["payload_sum"]


def run(
    engine: Engine,
    peer: Peer,
    script: Script,
    *,
    start_ns: int = 0,
    until_ns: int = 10_000 * MS,
    step_ns: int = MS,
) -> list[Any]:
    """Let the engine and the server talk in virtual time; every packet with the time it left, in order."""
    log: list[Any] = []
    now = start_ns
    while now <= until_ns and not engine.finished:
        records = peer.due(now)
        while True:
            packets = engine.step(now, records)
            check_sums(packets, script)
            for packet in packets:
                at, size = int(packet["payload"]), int(packet["length"])
                log.append((now, packet.copy()))
                peer.hear(now, packet, bytes(script.payload[at : at + size]))
            records = records[engine.consumed :]
            if len(records) == 0:
                break
        now += step_ns
    return log
