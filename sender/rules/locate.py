"""Where in a recording's client streams the rules' fields lie."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.script import Recorded
from gryphon.sender.rules.rule import Extract, FieldRule, UserRules


class Place(NamedTuple):
    """A field in a session's recorded stream: bytes ``start`` to ``end``, of the rule with this number."""

    start: int
    end: int
    rule: int
    message: int  # from 0


class Stream(NamedTuple):
    """What a session's client says: all its bytes, and where each message ends."""

    data: bytes
    ends: list[int]

    def begins(self, message: int) -> int:
        """Where a message (from 0) begins."""
        return self.ends[message - 1] if message else 0


def stream_of(recording: Recorded, session: int) -> Stream:
    """One session's stream and messages, without the end entry."""
    row = recording.sessions[session]
    at, first = int(row["payload"]), int(row["first_message"])
    data = recording.payload[at : at + int(row["length"])].tobytes()
    return Stream(data, recording.messages["stream_end"][first : first + int(row["messages"])].tolist())


def check_services(rules: UserRules, ports: Collection[int]) -> None:
    """Refuse a rule for a recorded port that the run does not replay."""
    every: list[FieldRule | Extract] = [*rules.fields, *rules.extracts]
    for rule in every:
        if rule.service is not None and rule.service not in ports:
            known = ", ".join(str(port) for port in sorted(ports))
            raise InputFault(f"{rule.label}: -x has no recorded port {rule.service}: give service one of {known}")


def locate(recording: Recorded, rules: Sequence[FieldRule]) -> dict[int, list[Place]]:
    """The fields of every session that has some, in their order.

    Raises:
        InputFault: a rule that matches nothing, or empty text, or two fields that overlap.
    """
    places: dict[int, list[Place]] = {}
    for session, port in enumerate(recording.sessions["server_port"].tolist()):
        wanted = [(index, rule) for index, rule in enumerate(rules) if rule.service in (None, port)]
        if not wanted:
            continue
        stream = stream_of(recording, session)
        found = sorted(place for index, rule in wanted for place in _places(stream, index, rule))
        if found:
            _check_apart(found, rules)
            places[session] = found
    hit = {place.rule for found in places.values() for place in found}
    for index, rule in enumerate(rules):
        if index not in hit:
            raise InputFault(f"{rule.label}: it matches no message of the recording: {_advice(rule)}")
    return places


def _advice(rule: FieldRule) -> str:
    if rule.match is None:
        return "no message is that long; look at the bytes with gryphon inspect"
    return "correct match, message or service; gryphon inspect shows the messages"


def _places(stream: Stream, index: int, rule: FieldRule) -> Iterator[Place]:
    """Where one rule's fields lie in one session."""
    numbers = range(len(stream.ends)) if rule.message is None else (rule.message - 1,)
    for message in numbers:
        if message >= len(stream.ends):
            return
        begin, end = stream.begins(message), stream.ends[message]
        if rule.match is None:
            if begin + rule.offset + rule.length <= end:
                yield Place(begin + rule.offset, begin + rule.offset + rule.length, index, message)
            continue
        group = min(rule.match.groups, 1)
        for found in rule.match.finditer(stream.data[begin:end]):
            if found.end() == found.start():
                raise InputFault(f"{rule.label}: match also fits where there is nothing: let it match at least a byte")
            if found.start(group) >= 0:
                yield Place(begin + found.start(group), begin + found.end(group), index, message)


def _check_apart(places: Sequence[Place], rules: Sequence[FieldRule]) -> None:
    """No byte belongs to two fields."""
    for one, other in itertools.pairwise(places):
        if other.start < one.end or other.start == one.start:
            first, second = rules[one.rule].label, rules[other.rule].label
            raise InputFault(
                f"{second}: its field overlaps that of {first} in message {other.message + 1}: "
                "let each byte belong to one rule"
            )
