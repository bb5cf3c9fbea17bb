"""The last packets of some users, both ways, kept while a run goes on, and those of the sessions to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.controller.record import RECORD, Kind, Records
from gryphon.sender.replay.engine import Engine
from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.replay.script import Script

FIRST_USERS = 4096
"""Of the users of an engine so many are watched, the first: of a million not every packet can be kept."""

ROOM = 1 << 18
"""Packets of either direction that are kept, some 35 MB in all."""

_SYN = 2


@dataclass(frozen=True)
class Segment:
    """One packet of a traced session."""

    time_ns: int  # CLOCK_MONOTONIC
    from_user: bool
    flags: int
    seq: int
    ack: int
    length: int
    window: int
    data: bytes  # of the payload, as far as it is known
    tsval: int
    kind: int = int(Kind.TCP)


@dataclass(frozen=True)
class Traced:
    """A session and its packets, in order of time; it can be pickled."""

    user: int  # its number in the run
    loop: int
    address: str
    port: int
    target: int  # index of the server
    fate: str  # "timeout", ... or "chosen"
    segments: Sequence[Segment]


class _Loop:
    """The last rows of a dtype, each with a time."""

    def __init__(self, dtype: np.dtype[Any], room: int) -> None:
        self.rows = np.zeros(room, dtype)
        self.times = np.zeros(room, np.int64)
        self._head = 0

    def add(self, rows: npt.NDArray[Any], times: Any) -> None:
        rows = rows[-len(self.rows) :]
        places = (self._head + np.arange(len(rows))) % len(self.rows)
        self.rows[places] = rows
        self.times[places] = times[-len(rows) :] if np.ndim(times) else times
        self._head += len(rows)

    def find(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Places where the mask holds, oldest first."""
        places = np.flatnonzero(mask & (self.times > 0))
        order = (places - self._head) % len(self.rows)
        return places[np.argsort(order, kind="stable")]


class Tape:
    """Keeps packets of an engine's first users, or of chosen ones, and finds the sessions that failed among them.

    Args:
        engine: the users.
        script: what they send.
        most: sessions to find.
        chosen: numbers of users to watch whatever becomes of them, instead of those that fail.
    """

    def __init__(self, engine: Engine, script: Script, most: int, chosen: Sequence[int] = (), room: int = ROOM) -> None:
        self._engine = engine
        self._script = script
        self._most = most
        rows = engine.rows_of(chosen) if chosen else range(min(engine.size, FIRST_USERS))
        self._chosen = bool(chosen)
        self._rows = np.fromiter(rows, np.int64)
        self._watched = np.zeros(engine.size, np.bool_)
        self._watched[self._rows] = True
        self._sent, self._heard = _Loop(PACKET, room), _Loop(RECORD, room)
        self._ends: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._seen: set[int] = set()
        self.found: list[Traced] = []

    def sent(self, now_ns: int, packets: Packets) -> None:
        """Packets that leave."""
        ours = packets[self._watched[packets["row"]]]
        if len(ours):
            new = ours[ours["flags"] & _SYN != 0]
            if len(new):
                self._ends = np.union1d(self._ends, _ends(new["source_lo"], new["port"]))
            self._sent.add(ours, now_ns)

    def heard(self, records: Records) -> None:
        """Records that came in."""
        if len(records) and len(self._ends):
            ours = np.isin(_ends(records["address_lo"], records["port"]), self._ends)
            if ours.any():
                self._heard.add(records[ours], records["time_ns"][ours].astype(np.int64))

    def look(self) -> None:
        """Find sessions that have failed since the last look; to be called once a second and at the end."""
        if self._chosen or len(self.found) >= self._most:
            return
        for row, loop, reason in self._engine.failures(self._rows):
            if row not in self._seen and len(self.found) < self._most:
                self._seen.add(row)
                self.found.append(self._traced(row, loop, reason))

    def finish(self) -> list[Traced]:
        """All that was found, at the end of the run."""
        self.look()
        if self._chosen:
            loops = self._engine.loops(self._rows)
            self.found = [
                self._traced(int(row), int(loop), "chosen") for row, loop in zip(self._rows, loops, strict=True)
            ]
        return [traced for traced in self.found if traced.segments]

    def _traced(self, row: int, loop: int, fate: str) -> Traced:
        address, port = self._engine.place(row, loop)
        low = np.uint64(int(address) & (1 << 64) - 1 if address.version == 6 else 0xFFFF << 32 | int(address))
        sent, heard = self._sent, self._heard
        out = sent.find((sent.rows["row"] == row) & (sent.rows["port"] == port) & (sent.rows["source_lo"] == low))
        back = heard.find((heard.rows["port"] == port) & (heard.rows["address_lo"] == low))
        segments = [self._of_user(int(sent.times[at]), sent.rows[at]) for at in out]
        segments += [_of_server(heard.rows[at]) for at in back]
        segments.sort(key=lambda segment: segment.time_ns)
        target = int(sent.rows[out[0]]["target"]) if len(out) else 0
        return Traced(self._engine.number(row), loop, str(address), port, target, fate, segments)

    def _of_user(self, time_ns: int, packet: Any) -> Segment:
        begin, length = int(packet["payload"]), int(packet["length"])
        known = not len(self._script.fields.rows) or begin + length <= self._script.fields.scratch
        data = self._script.payload[begin : begin + length].tobytes() if known else b""
        return Segment(time_ns, True, *_numbers(packet), length, int(packet["window"]), data, int(packet["tsval"]))


def _of_server(record: Any) -> Segment:
    numbers = _numbers(record)
    length, window, kind = int(record["length"]), int(record["window"]), int(record["kind"])
    return Segment(int(record["time_ns"]), False, *numbers, length, window, b"", int(record["tsval"]), kind)


def _numbers(row: Any) -> tuple[int, int, int]:
    return int(row["flags"]), int(row["seq"]), int(row["ack"])


def _ends(low: npt.NDArray[np.uint64], port: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint64]:
    """A number for each address and port, which two seldom share."""
    return low ^ (port.astype(np.uint64) << np.uint64(48))
