"""Transcripts: a test plays the server by hand against one user's engine, packet by packet, in virtual time.

Sequence numbers are relative, as in packetdrill: the user's SYN is 0 and so is the server's. Times are milliseconds of
the run. Flags are letters: S, F, R, P and ``.`` for ACK.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from peer import ALL_OPTIONS, GENERATION, MS, Message, make_engine, make_script

from gryphon.controller.record import RECORD, Kind, Option, Records
from gryphon.controller.samples import Samples, apart, sampled
from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.measures import FAILURES, Counter
from gryphon.sender.replay.script import Script
from gryphon.sender.replay.transitions import State
from gryphon.sender.replay.verify import Verify

MASK = 0xFFFFFFFF
_LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16}
_TICK_MS = 0.26
"""A deadline is served by the tick that begins after it, and a step may find it one tick later."""

__all__ = ["Message", "Transcript"]


def bits(letters: str) -> int:
    """TCP flags out of their letters."""
    return sum(_LETTERS[letter] for letter in letters)


def letters(flags: int) -> str:
    """Letters of TCP flags."""
    return "".join(letter for letter, bit in _LETTERS.items() if flags & bit)


class Transcript:
    """One user and a server whose every packet the test writes.

    Args:
        messages: what the user's session says.
        server_isn, client_isn: initial sequence numbers, where a test needs particular ones.
        end, last_expect, last_head, last_gap_ms, speed, options, hold_s, push, verify: of the script, see
            ``peer.make_script``.
        batch: descriptors of a step.
        sample: bytes of every segment's payload that the engine is shown.
        plan: of the engine, see ``engine.Plan``.
    """

    def __init__(
        self,
        messages: list[Message],
        *,
        server_isn: int = 1_000_000,
        client_isn: int | None = None,
        script: Script | None = None,
        end: int = 1,
        last_expect: int = 0,
        last_gap_ms: float = 1.0,
        speed: float = 1.0,
        options: int = ALL_OPTIONS,
        hold_s: float | None = None,
        push: bool = False,
        last_head: bytes = b"",
        verify: Verify | None = None,
        batch: int = 8192,
        sample: int = 0,
        **plan: Any,
    ) -> None:
        self.script = script or make_script(
            messages,
            end=end,
            last_expect=last_expect,
            last_gap_ms=last_gap_ms,
            speed=speed,
            options=options,
            hold_s=hold_s,
            push=push,
            last_head=last_head,
            verify=verify,
        )
        self.sample = sample
        self.epoch_ns = 0
        if client_isn is not None:
            first = int(make_engine(self.script, **plan).step(0)[0]["seq"])
            self.epoch_ns = ((client_isn - first) & MASK) * 4000
        self.engine: Engine = make_engine(self.script, epoch_ns=self.epoch_ns, batch=batch, **plan)
        self.server_isn = server_isn
        self.client_isn = 0
        self.now_ms = 0.0
        self.seen: list[tuple[float, Any]] = []
        self.started = False
        self._user: Any = None

    # -- time ----------------------------------------------------------------------------------------------------------

    def until(self, ms: float) -> None:
        """Let the time pass; every packet on the way is kept for ``take``."""
        assert ms >= self.now_ms, f"the time is {self.now_ms} ms already"
        self._step()
        while self.now_ms < ms:
            most_ns = min(round((ms - self.now_ms) * MS) + 1, 60_000_000_000)
            idle = self.engine.idle_ns(self._now_ns, most_ns) / MS
            self.now_ms = min(ms, self.now_ms + max(idle, 0.064))
            self._step()

    @property
    def _now_ns(self) -> int:
        return self.epoch_ns + round(self.now_ms * MS)

    def _step(self, records: Records | None = None) -> None:
        samples: Samples
        batch, samples = apart(np.zeros(0, RECORD) if records is None else records)
        while True:
            for packet in self.engine.step(self._now_ns, batch, samples):
                if not self.started:
                    self.started, self.client_isn, self._user = True, int(packet["seq"]), packet.copy()
                self.seen.append((self.now_ms, packet.copy()))
            batch, samples = batch[self.engine.consumed :], samples[self.engine.consumed :]
            if len(batch) == 0:
                return

    # -- the server's packets ------------------------------------------------------------------------------------------

    def record(self, flags: str, seq: int, ack: int, length: int = 0, *, data: bytes = b"", **fields: Any) -> Any:
        """One record of the server's, relative numbers; ``data`` is its payload, or how a longer one begins."""
        record = np.zeros(1, sampled(self.sample))[0]
        seen = data[: self.sample]
        values = {
            "time_ns": self._now_ns,
            "address_hi": self._user["source_hi"],
            "address_lo": self._user["source_lo"],
            "port": self._user["port"],
            "seq": (self.server_isn + seq) & MASK,
            "ack": (self.client_isn + ack) & MASK if "." in flags else 0,
            "length": length or len(data),
            "window": 65535,
            "flags": bits(flags),
            "generation": GENERATION,
            "version": 4,
            "sample_length": len(seen),
            **fields,
        }
        if seen:
            values["sample"] = np.frombuffer(seen.ljust(self.sample, b"\0"), np.uint8)
        for name, value in values.items():
            record[name] = value
        return record

    def give(self, flags: str, seq: int, ack: int, length: int = 0, **fields: Any) -> None:
        """The server's segment arrives now."""
        self.give_all(self.record(flags, seq, ack, length, **fields))

    def give_all(self, *records: Any) -> None:
        """Several records arrive in one batch."""
        self._step(np.array(list(records), sampled(self.sample)))

    def icmp(self, kind: int, code: int, seq: int, *, mtu: int = 0, version: int = 4) -> None:
        """An ICMP error about the user's segment that begins at ``seq``."""
        record = self.record("", 0, 0, kind=Kind.ICMP, icmp_type=kind, icmp_code=code, mss=mtu, version=version)
        record["seq"] = (self.client_isn + seq) & MASK
        self.give_all(record)

    # -- the user's packets --------------------------------------------------------------------------------------------

    def take(self, flags: str, seq: int, length: int = 0, *, at: float | None = None, **fields: int) -> Any:
        """The next packet is this one; ``ack`` is relative too, ``at`` the time it left."""
        assert self.seen, f"no packet, but {flags} {seq}({length}) was due by {self.now_ms} ms"
        ms, packet = self.seen.pop(0)
        got = {name: int(packet[name]) for name in fields if name != "ack"}
        if "ack" in fields:
            got["ack"] = (int(packet["ack"]) - self.server_isn) & MASK
        number = ((int(packet["seq"]) - self.client_isn + (1 << 31)) & MASK) - (1 << 31)
        told = (letters(int(packet["flags"])), number, int(packet["length"]), got)
        assert told == (letters(bits(flags)), seq, length, fields), f"at {ms} ms"
        if at is not None:
            assert at <= ms <= at + _TICK_MS, f"left at {ms} ms instead of {at} ms"
        return packet

    def quiet(self, ms: float | None = None) -> None:
        """No packet is left over, nor leaves until then."""
        if ms is not None:
            self.until(ms)
        assert not self.seen, f"unexpected: {self.told()}"

    def told(self) -> list[str]:
        """Packets not taken yet, readable."""
        return [
            f"{ms} ms {letters(int(p['flags']))} {(int(p['seq']) - self.client_isn) & MASK}({int(p['length'])}) "
            f"ack {(int(p['ack']) - self.server_isn) & MASK}"
            for ms, p in self.seen
        ]

    def drop_acknowledgements(self) -> None:
        """Forget packets that carry nothing."""
        self.seen = [(ms, packet) for ms, packet in self.seen if packet["length"] or int(packet["flags"]) & ~16]

    def drop(self) -> int:
        """Forget the packets seen so far; how many they were."""
        number = len(self.seen)
        self.seen.clear()
        return number

    def follow(self) -> None:
        """The user has come back: from here on everything is about the connection of the latest SYN."""
        _, syn = next((ms, packet) for ms, packet in reversed(self.seen) if int(packet["flags"]) == bits("S"))
        self.client_isn, self._user = int(syn["seq"]), syn.copy()

    # -- shortcuts -----------------------------------------------------------------------------------------------------

    def open(self, at: float = 1.0, **fields: Any) -> Transcript:
        """SYN at 0 ms, SYN-ACK at ``at``, and the acknowledgement of it."""
        self.until(0)
        self.take("S", 0, at=0)
        self.until(at)
        self.give("S.", 0, 1, **{"mss": 1460, "options": ALL_OPTIONS, "window_scale": 7, "tsval": 5, **fields})
        self.take(".", 1, ack=1, at=at)
        return self

    @property
    def state(self) -> State:
        """The user's state."""
        return State(int(self.engine._users[0]["state"]))

    def count(self, counter: Counter) -> int:
        """A counter of the engine."""
        return int(self.engine.counters[counter])

    def failures(self) -> dict[str, int]:
        """Reasons that users have failed for."""
        return {name: self.count(counter) for name, counter in FAILURES.items() if self.count(counter)}

    def balanced(self) -> None:
        """Nobody is open, and every user that started has completed or failed, once."""
        assert self.engine.finished
        assert self.count(Counter.ACTIVE) == 0
        assert self.count(Counter.STARTED) == self.count(Counter.COMPLETED) + sum(self.failures().values())


NO_OPTIONS = Option.MSS
"""What a SYN carries at least."""
