"""Lengths inside client streams that count a field's bytes: HTTP, MQTT, RESP, and numbers at an offset."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from gryphon.sender.rules.locate import Stream

Form = Literal["none", "decimal", "hex", "varint", "big", "little"]


class Holder(NamedTuple):
    """Bytes ``start`` to ``end`` of a stream, counted by a number that stands in bytes ``at`` to ``behind``."""

    start: int
    end: int
    at: int
    behind: int
    form: Form  # "none": nothing counts them, such as an HTTP head


_REQUEST = re.compile(rb"[A-Z]+ [^\r\n]+ HTTP/1\.[01]\r\n")
_CONTENT_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+)")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding:[^\r\n]*chunked")
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n")
_BULK = re.compile(rb"\$(\d+)\r\n")
_ARRAY = re.compile(rb"\*\d+\r\n")

_CONNECT, _PUBLISH, _SUBSCRIBE, _UNSUBSCRIBE = 1, 3, 8, 10


def _next_message(stream: Stream, at: int) -> int:
    """Where the message behind ``at`` begins; what was not understood ends there."""
    index = bisect.bisect_right(stream.ends, at)
    return stream.ends[index] if index < len(stream.ends) else len(stream.data)


def http(stream: Stream) -> Iterator[Holder]:
    """Heads, bodies and chunks of HTTP/1 requests (RFC 9112, 6 and 7)."""
    at, data = 0, stream.data
    while at < len(data):
        end = data.find(b"\r\n\r\n", at) + 4
        if end < 4 or _REQUEST.match(data, at) is None:
            at = _next_message(stream, at)
            continue
        yield Holder(at, end, at, at, "none")
        length = _CONTENT_LENGTH.search(data, at, end)
        if _CHUNKED.search(data, at, end):
            for chunk in _chunks(data, end):
                yield chunk
                end = chunk.end + 2
        elif length is not None:
            begin, end = end, end + int(length[1])
            yield Holder(begin, end, length.start(1), length.end(1), "decimal")
        at = end


def _chunks(data: bytes, at: int) -> Iterator[Holder]:
    """Chunks from ``at`` on; the last, empty one with its trailer."""
    while (size := _CHUNK.match(data, at)) is not None:
        length = int(size[1], 16)
        if length == 0:
            end = data.find(b"\r\n\r\n", at)
            yield Holder(at, end + 2 if end >= 0 else len(data), at, at, "none")
            return
        yield Holder(size.end(), size.end() + length, size.start(1), size.end(1), "hex")
        at = size.end() + length + 2


def redis(stream: Stream) -> Iterator[Holder]:
    """Bulk strings of RESP."""
    at, data = 0, stream.data
    while at < len(data):
        bulk, array = _BULK.match(data, at), _ARRAY.match(data, at)
        if bulk is not None:
            end = bulk.end() + int(bulk[1])
            yield Holder(bulk.end(), end, bulk.start(1), bulk.end(1), "decimal")
            at = end + 2
        else:
            at = array.end() if array is not None else _next_message(stream, at)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """MQTT's variable byte integer (MQTT 5.0, 1.5.5): the number and where it ends; (-1, at) where none is."""
    number = 0
    for place in range(4):
        if at + place >= len(data):
            break
        number |= (data[at + place] & 0x7F) << 7 * place
        if data[at + place] < 0x80:
            return number, at + place + 1
    return -1, at


def mqtt(stream: Stream) -> Iterator[Holder]:
    """Packets of MQTT 3.1, 3.1.1 and 5.0, and the strings in them that have a length of their own.

    The first is a CONNECT (MQTT 5.0, 3.1); any other bytes are no MQTT.
    """
    at, data, five = 0, stream.data, False
    if data[:1] != b"\x10":
        return
    while at < len(data):
        length, begin = varint(data, at + 1)
        if length < 0:
            return
        end = begin + length
        if data[at] >> 4 == _CONNECT and begin + 8 < len(data):
            five = data[begin + 2 + int.from_bytes(data[begin : begin + 2], "big")] == 5
        yield Holder(begin, end, at + 1, begin, "varint")
        yield from _strings(data, at, begin, min(end, len(data)), five)
        at = end


def _strings(data: bytes, packet: int, at: int, end: int, five: bool) -> Iterator[Holder]:
    """The strings of one packet, whose body is ``at`` to ``end``."""
    kind = data[packet] >> 4
    if kind == _CONNECT:
        yield (name := _string(data, at))
        flags, at = data[name.end + 1] if name.end + 1 < end else 0, name.end + 4
        for present, will in ((True, False), (flags & 4, True), (flags & 4, False), (flags & 128, False)):
            if present and five and (will or at == name.end + 4):
                yield from (properties := list(_properties(data, at)))
                at = properties[0].end
            if present and at < end:
                yield (holder := _string(data, at))
                at = holder.end
        if flags & 64 and at < end:
            yield _string(data, at)
    elif kind == _PUBLISH:
        yield (topic := _string(data, at))
        if five:
            yield from _properties(data, topic.end + (2 if data[packet] & 6 else 0))
    elif kind in (_SUBSCRIBE, _UNSUBSCRIBE):
        at += 2
        if five:
            yield from (properties := list(_properties(data, at)))
            at = properties[0].end
        while at < end:
            yield (holder := _string(data, at))
            at = holder.end + (1 if kind == _SUBSCRIBE else 0)


def _string(data: bytes, at: int) -> Holder:
    """A string behind its length of two bytes."""
    return Holder(at + 2, at + 2 + int.from_bytes(data[at : at + 2], "big"), at, at + 2, "big")


_PROPERTY_BYTES = {1: 1, 2: 4, 11: -1, 17: 4, 19: 2, 23: 1, 24: 4, 25: 1, 33: 2, 34: 2, 35: 2, 37: 1, 39: 4}
_PROPERTY_STRINGS = {3: 1, 8: 1, 9: 1, 21: 1, 22: 1, 26: 1, 31: 1, 38: 2}


def _properties(data: bytes, at: int) -> Iterator[Holder]:
    """The properties of MQTT 5.0 (2.2.2.2) as a whole, then their strings."""
    length, begin = varint(data, at)
    end = begin + max(length, 0)
    yield Holder(begin, end, at, begin, "varint")
    at = begin
    while at < min(end, len(data)):
        kind, at = data[at], at + 1
        if kind in _PROPERTY_STRINGS:
            for _ in range(_PROPERTY_STRINGS[kind]):
                yield (holder := _string(data, at))
                at = holder.end
        elif _PROPERTY_BYTES.get(kind, 0) > 0:
            at += _PROPERTY_BYTES[kind]
        elif kind == 11:
            _, at = varint(data, at)
        else:
            return


PROTOCOLS: dict[str, Callable[[Stream], Iterator[Holder]]] = {"content-length": http, "mqtt": mqtt, "redis": redis}
