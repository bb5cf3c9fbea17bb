"""From a recording and rules to what the script is compiled of: streams re-cut once, and fields for each packet."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.fields import FIELD, SCRATCH_ALIGN, Fields, Kind, slots
from gryphon.sender.replay.script import Columns, Recorded
from gryphon.sender.rules.locate import Place, check_services, locate, stream_of
from gryphon.sender.rules.recut import Session, check_lengths
from gryphon.sender.rules.rule import FieldRule, UserRules
from gryphon.sender.rules.values import check_column, check_extract, check_numbers, fit, read_column

MOST_BYTES = 1 << 30
"""Of sessions that ``width = "any"`` makes."""


@dataclass(frozen=True)
class _Plan:
    """One rule, settled: its width, and what its fields refer to."""

    rule: FieldRule
    width: int  # 0: any
    values: Sequence[bytes]  # of a CSV column; of "any" what there is
    users: int

    @property
    def variants(self) -> int:
        """How many copies of a session the rule asks for."""
        if self.width:
            return 1
        return len(self.values) or self.users

    def text(self, recorded: bytes, session: int) -> bytes:
        """What stands in the arena: the recorded bytes at the field's width, or the value itself."""
        if self.width:
            return fit(recorded, self.rule, self.width)
        if self.values:
            return self.values[session % len(self.values)]
        return str(self.rule.start + session % self.users).encode()


def apply_rules(
    recording: Recorded, rules: UserRules, ports: Collection[int], users: int, scratch: int, loops: int = 1
) -> tuple[Columns, Fields]:
    """Re-cut a recording for its rules.

    Args:
        recording: what was loaded.
        rules: at least one field.
        ports: recorded server ports of the run.
        users: how many there are.
        scratch: bytes that the engine needs behind the streams (``fields.scratch_bytes``).
        loops: how often each user comes back, for counters.

    Raises:
        InputFault: a rule that cannot be obeyed.
    """
    check_services(rules, ports)
    places = locate(recording, rules.fields)
    check_lengths(recording, rules.fields, places)
    plans = _settle(rules, places, users, loops)
    count = _session_count(recording, places, plans, users)
    try:
        return _Builder(recording, rules, places, plans).build(count, scratch)
    except MemoryError as error:
        raise InputFault("the re-cut recording does not fit into memory: replay fewer sessions") from error


def _settle(rules: UserRules, places: dict[int, list[Place]], users: int, loops: int) -> list[_Plan]:
    """Widths and values of every rule, checked."""
    longest = [0] * len(rules.fields)
    for found in places.values():
        for place in found:
            longest[place.rule] = max(longest[place.rule], place.end - place.start)
    plans = []
    for rule, match in zip(rules.fields, longest, strict=True):
        width = 0 if rule.width == "any" else (rule.width or match)
        if not width and rule.width != "any":
            raise InputFault(f"{rule.label}: what it replaces is empty: give width")
        values = read_column(rule) if rule.value.kind is Kind.CSV else []
        if width and rule.value.kind is Kind.CSV:
            check_column(rule, values, width)
        elif width and rule.value.kind in (Kind.USER, Kind.COUNTER):
            check_numbers(rule, width, users, loops)
        elif rule.value.kind is Kind.EXTRACT:
            check_extract(rule, width, rules.extracts)
        plans.append(_Plan(rule, width, [value for _, value in values], users))
    return plans


def _session_count(recording: Recorded, places: dict[int, list[Place]], plans: list[_Plan], users: int) -> int:
    """Sessions of the script, one for each pair of session and values that some user has."""
    recorded = len(recording.sessions)
    if all(plan.width for plan in plans):
        return recorded
    count = min(math.lcm(recorded, *(plan.variants for plan in plans)), users)
    row = recording.sessions.dtype.itemsize
    size = count * row
    for session, found in places.items():
        if session < count and any(not plans[place.rule].width for place in found):
            copies = -(-(count - session) // recorded)
            source = recording.sessions[session]
            entries = (int(source["messages"]) + 1) * recording.messages.dtype.itemsize
            size += copies * (int(source["length"]) + entries + len(found) * FIELD.itemsize)
    if size > MOST_BYTES:
        label = next(plan.rule.label for plan in plans if not plan.width)
        raise InputFault(
            f'{label}: width = "any" makes {count:,} sessions of {size / (1 << 30):.1f} GiB, at most 1 GiB is made: '
            "give a width, fewer values or fewer users"
        )
    return count


class _Builder:
    """Gathers streams, messages and fields of the script's sessions; equal ones are shared."""

    def __init__(
        self, recording: Recorded, rules: UserRules, places: dict[int, list[Place]], plans: list[_Plan]
    ) -> None:
        self._recording = recording
        self._rules = rules
        self._places = places
        self._plans = plans
        self._streams: list[Any] = []
        self._length = 0
        self._messages: list[npt.NDArray[Any]] = []
        self._entries = 0
        self._fields: list[tuple[Any, ...]] = []
        self._texts = bytearray()
        self._columns: list[tuple[int, int]] = []

    def build(self, count: int, scratch: int) -> tuple[Columns, Fields]:
        """So many sessions, and so many bytes behind them."""
        recorded = len(self._recording.sessions)
        self._lay_texts()
        sessions = self._recording.sessions[np.arange(count) % max(recorded, 1)].copy()
        first, number = np.zeros(count, np.uint32), np.zeros(count, np.uint32)
        made: dict[tuple[int, ...], tuple[int, int, int, int, int]] = {}
        cutters: dict[int, Session] = {}
        for index in range(count):
            source = index % recorded
            key = self._key(source, index)
            if key not in made:
                made[key] = self._make(source, index, cutters)
            at, length, entry, first[index], number[index] = made[key]
            sessions["payload"][index], sessions["length"][index] = at, length
            sessions["first_message"][index] = entry
        begin = -(-self._length // SCRATCH_ALIGN) * SCRATCH_ALIGN
        rows = np.array(self._fields, FIELD) if self._fields else np.zeros(0, FIELD)
        texts = np.frombuffer(bytes(self._texts), np.uint8)
        most = slots([extract.length for extract in self._rules.extracts])
        fields = Fields(first, number, rows, texts, most, begin)
        messages, arena = np.concatenate(self._messages), self._arena(begin + scratch)
        return Columns(sessions, messages, arena, self._recording.heads), fields

    def _key(self, source: int, index: int) -> tuple[int, ...]:
        """What tells a session of the script from others of the same recorded one: the numbers of its values."""
        rules = sorted({place.rule for place in self._places.get(source, ())})
        return (source, *(index % self._plans[rule].variants for rule in rules))

    def _lay_texts(self) -> None:
        """Values of columns and alphabets, as fields refer to them."""
        for plan in self._plans:
            at, values = len(self._texts), len(plan.values)
            if plan.rule.value.kind is Kind.RANDOM:
                self._texts += plan.rule.alphabet
                values = len(plan.rule.alphabet)
            elif plan.width:
                self._texts += b"".join(fit(value, plan.rule, plan.width) for value in plan.values)
            self._columns.append((at, values))

    def _make(self, source: int, index: int, cutters: dict[int, Session]) -> tuple[int, int, int, int, int]:
        """One session: its stream's place and length, its first entry, its first field and their number."""
        row = self._recording.sessions[source]
        first, count = int(row["first_message"]), int(row["messages"])
        messages = self._recording.messages[first : first + count + 1]
        stream: Any = self._recording.payload[int(row["payload"]) : int(row["payload"]) + int(row["length"])]
        field = len(self._fields)
        if source in self._places:
            if source not in cutters:
                cutters[source] = Session(
                    stream_of(self._recording, source), self._places[source], [plan.rule for plan in self._plans]
                )
            data, ends = self._cut(cutters[source], index)
            messages = messages.copy()
            messages["stream_end"] = [*ends, len(data)]
            stream = np.frombuffer(data, np.uint8)
        at, entry = self._length, self._entries
        self._streams.append(stream)
        self._messages.append(messages)
        self._length += len(stream)
        self._entries += len(messages)
        return at, len(stream), entry, field, len(self._fields) - field

    def _cut(self, session: Session, index: int) -> tuple[bytes, list[int]]:
        """A session's stream for the values of one index, and where its messages end; notes its fields."""
        data = session.stream.data
        cut = session.cut(
            [self._plans[place.rule].text(data[place.start : place.end], index) for place in session.places]
        )
        for place, start in zip(session.places, cut.starts, strict=True):
            plan = self._plans[place.rule]
            if plan.width:
                self._fields.append(self._row(place.rule, plan, start))
        return cut.data, cut.ends

    def _row(self, number: int, plan: _Plan, start: int) -> tuple[Any, ...]:
        """A FIELD."""
        rule = plan.rule
        names = [extract.name for extract in self._rules.extracts]
        slot = names.index(rule.value.name) if rule.value.kind is Kind.EXTRACT else 0
        at, count = self._columns[number]
        return (rule.start, at, count, start, plan.width, number, slot, rule.value.kind, rule.pad, rule.right)

    def _arena(self, size: int) -> npt.NDArray[np.uint8]:
        """Every stream, one after the other, and room behind them."""
        arena = np.zeros(size, np.uint8)
        at = 0
        for stream in self._streams:
            arena[at : at + len(stream)] = stream
            at += len(stream)
        return arena
