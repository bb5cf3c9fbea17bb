"""Re-cuts a session's stream: other bytes of another length in its fields, and the lengths that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.script import Recorded
from gryphon.sender.rules.lengths import PROTOCOLS, Holder
from gryphon.sender.rules.locate import Place, Stream, stream_of
from gryphon.sender.rules.rule import FieldRule, LengthField


class Cut(NamedTuple):
    """A stream as it is sent."""

    data: bytes
    ends: list[int]  # of its messages
    starts: list[int]  # of its fields


class _Edit(NamedTuple):
    start: int
    end: int
    new: bytes
    place: int = -1  # number of the field; -1: a length


@dataclass
class Session:
    """A recorded stream with its fields, ready to be cut for several values."""

    stream: Stream
    places: Sequence[Place]
    rules: Sequence[FieldRule]
    _holders: dict[str, list[Holder]] = field(default_factory=dict)

    def cut(self, texts: Sequence[bytes]) -> Cut:
        """The stream with these bytes in its fields, one after the other."""
        edits = [
            _Edit(place.start, place.end, text, index)
            for index, (place, text) in enumerate(zip(self.places, texts, strict=True))
        ]
        edits += self._corrections(texts)
        edits.sort()
        pieces: list[bytes] = []
        starts, ends = [0] * len(self.places), []
        at = shift = 0
        rest = iter(self.stream.ends)
        end = next(rest, None)
        for edit in edits:
            while end is not None and end < edit.end:
                ends.append(end + shift)
                end = next(rest, None)
            if edit.place >= 0:
                starts[edit.place] = edit.start + shift
            pieces += (self.stream.data[at : edit.start], edit.new)
            at, shift = edit.end, shift + len(edit.new) - (edit.end - edit.start)
        pieces.append(self.stream.data[at:])
        if end is not None:
            ends += [end + shift, *(later + shift for later in rest)]
        return Cut(b"".join(pieces), ends, starts)

    def _corrections(self, texts: Sequence[bytes]) -> list[_Edit]:
        """New numbers in the length fields that count a field of another width than recorded."""
        growth: dict[Holder, int] = {}
        owner: dict[Holder, FieldRule] = {}
        for place, text in zip(self.places, texts, strict=True):
            grown = len(text) - (place.end - place.start)
            if not grown:
                continue
            rule = self.rules[place.rule]
            for length in rule.lengths:
                for holder in self._counting(place, rule, length):
                    growth[holder] = growth.get(holder, 0) + grown
                    owner[holder] = rule
        return [self._number(holder, grown, owner[holder]) for holder, grown in growth.items() if grown]

    def has(self, length: LengthField, place: Place) -> bool:
        """Whether a field lies in what such a length counts, or in a protocol's part that none needs to count."""
        if length.kind == "bytes":
            begin, end = self.stream.begins(place.message), self.stream.ends[place.message]
            return begin + length.offset + length.size <= end
        return bool(self._around(place, length))

    def _around(self, place: Place, length: LengthField) -> list[Holder]:
        """The parts of a protocol that a field has bytes in; of an empty one those around it."""
        if length.kind not in self._holders:
            self._holders[length.kind] = list(PROTOCOLS[length.kind](self.stream))
        holders = self._holders[length.kind]
        return [holder for holder in holders if holder.start < place.end and place.start < holder.end] or [
            holder for holder in holders if holder.start <= place.start and place.end <= holder.end
        ]

    def _counting(self, place: Place, rule: FieldRule, length: LengthField) -> list[Holder]:
        """The lengths of one kind that count a field."""
        if length.kind == "bytes":
            return [self._binary(place, rule, length)]
        around = self._around(place, length)
        if not around:
            raise InputFault(
                f"{rule.label}: no {length.kind} length counts message {place.message + 1} at byte "
                f"{place.start - self.stream.begins(place.message)}: take it out of lengths, or keep the width"
            )
        if any(place.start < holder.start or holder.end < place.end for holder in around):
            raise InputFault(
                f"{rule.label}: its field crosses the edge of what a {length.kind} length counts: match less"
            )
        return [holder for holder in around if holder.form != "none"]

    def _binary(self, place: Place, rule: FieldRule, length: LengthField) -> Holder:
        """A number at an offset of the field's message."""
        begin, end = self.stream.begins(place.message), self.stream.ends[place.message]
        at = begin + length.offset
        if at + length.size > end:
            raise InputFault(
                f"{rule.label}: lengths has offset {length.offset} and {length.size} bytes, "
                f"message {place.message + 1} has {end - begin}: name its number to take other messages out"
            )
        return Holder(begin, end, at, at + length.size, "big" if length.big else "little")

    def _number(self, holder: Holder, grown: int, rule: FieldRule) -> _Edit:
        """What a length field says now."""
        old = self.stream.data[holder.at : holder.behind]
        for other in self.places:
            if other.start < holder.behind and holder.at < other.end:
                raise InputFault(
                    f"{self.rules[other.rule].label}: its field covers a length that {rule.label} corrects: match less"
                )
        try:
            return _Edit(holder.at, holder.behind, _encode(old, grown, holder.form))
        except OverflowError:
            raise InputFault(
                f"{rule.label}: a length of {len(old)} bytes cannot follow a change by {grown:+,} bytes: "
                "give another width"
            ) from None


def check_lengths(recording: Recorded, rules: Sequence[FieldRule], places: Mapping[int, Sequence[Place]]) -> None:
    """Refuse a declared length that no field of its rule has: a mistake also where every width stays as recorded."""
    missing = {(index, length) for index, rule in enumerate(rules) for length in rule.lengths}
    for number, found in places.items():
        if not missing:
            return
        session = Session(stream_of(recording, number), found, rules)
        for place in found:
            for length in rules[place.rule].lengths:
                if (place.rule, length) in missing and session.has(length, place):
                    missing.remove((place.rule, length))
    for index, rule in enumerate(rules):
        for length in rule.lengths:
            if (index, length) in missing:
                what = f"no {length.kind} length counts what it matches"
                if length.kind == "bytes":
                    what = f"lengths has offset {length.offset} and {length.size} bytes, what it matches is shorter"
                raise InputFault(f"{rule.label}: {what}: take it out of lengths, or correct match")


def _encode(old: bytes, grown: int, form: str) -> bytes:
    """The number plus the growth, written as it was."""
    if form in ("decimal", "hex"):
        number = int(old, 10 if form == "decimal" else 16) + grown
        return (f"{number}" if form == "decimal" else f"{number:x}").encode()
    if form == "varint":
        return _varint(sum((byte & 0x7F) << 7 * place for place, byte in enumerate(old)) + grown)
    order: Literal["big", "little"] = "big" if form == "big" else "little"
    return (int.from_bytes(old, order) + grown).to_bytes(len(old), order)


def _varint(number: int) -> bytes:
    """MQTT's variable byte integer (MQTT 5.0, 1.5.5)."""
    if number >= 1 << 28:
        raise OverflowError
    encoded = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        encoded.append(low | (0x80 if number else 0))
        if not number:
            return bytes(encoded)
