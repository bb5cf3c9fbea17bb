"""Rules out of a TOML file (``--rules``) and short ones out of ``--field`` texts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.fields import LONGEST_EXTRACT, Kind
from gryphon.sender.rules.rule import Extract, FieldRule, LengthField, LengthKind, Stamp, TimeUnit, UserRules, Value
from gryphon.sender.rules.table import Table, shown

_SHORT = re.compile(
    r"(?s)(?P<service>\d{1,19})(?:/(?P<message>\d{1,19}))?:(?P<match>.*)=(?P<value>user|counter|random|csv:.*|extract:.*)"
)
_PLAIN = {"user": Kind.USER, "counter": Kind.COUNTER, "random": Kind.RANDOM}
_NUMBERS = (Kind.USER, Kind.COUNTER)

WIDEST = 1 << 20
"""Bytes of a field."""

LARGEST_START = 10**15
LONGEST_WITHIN = 65_535
_UNTIL = ' \t\r\n\v\f;,"'


def read_rules(file: str | None, texts: Sequence[str]) -> UserRules:
    """Every rule of a run.

    Args:
        file: a TOML file with ``[[field]]``, ``[[extract]]`` and ``[[stamp]]`` tables.
        texts: ``PORT[/MESSAGE]:REGEX=VALUE``, one field each.

    Raises:
        InputFault: the file cannot be read, or a rule is wrong.
    """
    fields, extracts, stamps = _read_file(Path(file)) if file is not None else ([], [], [])
    fields += [_short(text) for text in texts]
    names = {extract.name for extract in extracts}
    for rule in fields:
        if rule.value.kind is Kind.EXTRACT and rule.value.name not in names:
            raise InputFault(
                f"{rule.label}: no [[extract]] defines {shown(rule.value.name)}: add a table with that name to --rules"
            )
    used = {rule.value.name for rule in fields if rule.value.kind is Kind.EXTRACT}
    for extract in extracts:
        if extract.name not in used:
            raise InputFault(
                f"{extract.label}: no field uses {shown(extract.name)}: "
                f"give one the value {shown('extract:' + extract.name)}, or take this table out"
            )
    return UserRules(tuple(fields), tuple(extracts), tuple(stamps))


def _read_file(path: Path) -> tuple[list[FieldRule], list[Extract], list[Stamp]]:
    """The rules of a TOML file."""
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise InputFault(f"the rules {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputFault(f"the rules {path} are not TOML: {error}") from error
    for key in document:
        if key not in ("field", "extract", "stamp"):
            raise InputFault(
                f"{path}: {key} is not known: a rules file has [[field]], [[extract]] and [[stamp]] tables"
            )
    if not any(document.values()):
        raise InputFault(f"the rules {path} have no rule: write a [[field]] or a [[stamp]] table, or leave --rules out")
    fields = [_field(table, path.parent) for table in _tables(path, text, document, "field")]
    extracts = [_extract(table) for table in _tables(path, text, document, "extract")]
    for index, extract in enumerate(extracts):
        if extract.name in {other.name for other in extracts[:index]}:
            raise InputFault(f"{extract.label}: the name {shown(extract.name)} is taken: give every extract its own")
    return fields, extracts, [_stamp(table) for table in _tables(path, text, document, "stamp")]


def _tables(path: Path, text: str, document: dict[str, Any], key: str) -> list[Table]:
    """The file's tables of one kind, named by number and line."""
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputFault(f"{path}: write each {key} as a table of its own, under [[{key}]]")
    heads = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if re.match(rf"\s*\[\[\s*{key}\s*\]\]", line) is not None
    ]
    lines = [f", line {number}" for number in heads] if len(heads) == len(found) else [""] * len(found)
    return [
        Table(f"{path}, {key} {number}{line}", entry)
        for number, (entry, line) in enumerate(zip(found, lines, strict=True), 1)
    ]


def _short(text: str) -> FieldRule:
    """``--field``."""
    found = _SHORT.fullmatch(text)
    if found is None:
        raise InputFault(
            f"--field '{text}': write PORT[/MESSAGE]:REGEX=VALUE with the value user, counter, random, "
            "csv:FILE:COLUMN or extract:NAME"
        )
    keys: dict[str, Any] = {"service": int(found["service"]), "match": found["match"], "value": found["value"]}
    if found["message"] is not None:
        keys["message"] = int(found["message"])
    return _field(Table(f"--field '{text}'", keys), Path())


def _field(table: Table, directory: Path) -> FieldRule:
    """One ``[[field]]``; CSV files are looked for from the directory on."""
    value = _value(table, directory)
    number = value.kind in _NUMBERS
    width = _width(table, value.kind)
    _check_use(table, value.kind, width)
    match, offset, length = _place(table)
    align = table.choice("align", "left", "right")
    rule = FieldRule(
        label=table.label,
        service=table.number("service", 1, 65_535),
        message=table.number("message", 1, 1 << 31),
        match=match,
        offset=offset,
        length=length,
        value=value,
        width=width,
        start=table.number("start", 0, LARGEST_START) or 0,
        pad=_pad(table, "0" if number else " "),
        right=number if align is None else align == "right",
        alphabet=_alphabet(table),
        cut=table.flag("cut") is not False,
        lengths=_lengths(table),
    )
    table.finish()
    return rule


def _value(table: Table, directory: Path) -> Value:
    """``value``."""
    text = table.text("value")
    forms = "user, counter, random, csv:FILE:COLUMN or extract:NAME"
    if text is None:
        raise table.fault(f"value is missing: give {forms}")
    if text in _PLAIN:
        return Value(_PLAIN[text])
    kind, _, rest = text.partition(":")
    file, colon, column = rest.rpartition(":")
    if kind == "csv" and colon and file and column:
        return Value(Kind.CSV, file=directory / file, column=column)
    if kind == "extract" and rest:
        return Value(Kind.EXTRACT, name=rest)
    raise table.fault(f"value = {shown(text)}: give {forms}")


def _width(table: Table, kind: Kind) -> int | Literal["any"] | None:
    """``width``."""
    if table.get("width") != "any":
        return table.number("width", 1, WIDEST)
    if kind not in (Kind.USER, Kind.CSV):
        raise table.fault(f'width = "any" is for user and csv: give {kind.name.lower()} a number of bytes')
    return "any"


def _check_use(table: Table, kind: Kind, width: int | Literal["any"] | None) -> None:
    """A key that would do nothing is a mistake."""
    if table.has("start") and kind not in _NUMBERS:
        raise table.fault("start is added to user and counter: leave it out")
    if table.has("alphabet") and kind is not Kind.RANDOM:
        raise table.fault("alphabet is of random text: leave it out")
    for key in ("pad", "align", "cut"):
        if table.has(key) and width == "any":
            raise table.fault(f'{key} has no use with width = "any": every value keeps its own length')


def _place(table: Table) -> tuple[re.Pattern[bytes] | None, int, int]:
    """``match``, or ``offset`` and ``length``."""
    text, offset, length = table.text("match"), table.number("offset", 0, 1 << 31), table.number("length", 0, 1 << 31)
    if text is not None and offset is None and length is None:
        try:
            return re.compile(text.encode(errors="surrogateescape")), 0, 0  # bytes of the command line as they are
        except (re.error, RecursionError, OverflowError, UnicodeEncodeError) as error:
            raise table.fault(f"match = {shown(text)} is not a regular expression: {error}") from error
    if text is not None or offset is None or length is None:
        raise table.fault("say where the field is: either match, or offset and length")
    return None, offset, length


def _pad(table: Table, otherwise: str) -> int:
    """``pad``."""
    text = table.text("pad")
    data = (otherwise if text is None else text).encode()
    if len(data) != 1:
        raise table.fault(f"pad = {shown(text)}: give one ASCII character")
    return data[0]


def _alphabet(table: Table) -> bytes:
    """``alphabet``: characters and ranges of them."""
    text = table.text("alphabet")
    text = "a-z0-9" if text is None else text
    if not text or not text.isascii():
        raise table.fault(f"alphabet = {shown(text)}: give ASCII characters and ranges, such as a-z0-9")
    letters, at = bytearray(), 0
    while at < len(text):
        if at + 2 < len(text) and text[at + 1] == "-":
            if text[at] > text[at + 2]:
                raise table.fault(f"alphabet = {shown(text)}: the range {text[at : at + 3]} runs backwards")
            letters += bytes(range(ord(text[at]), ord(text[at + 2]) + 1))
            at += 3
        else:
            letters.append(ord(text[at]))
            at += 1
    return bytes(letters)


def _lengths(table: Table) -> tuple[LengthField, ...]:
    """``lengths``."""
    entries = table.get("lengths")
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise table.fault('lengths is a list, such as ["content-length"]')
    return tuple(_length(table, entry) for entry in entries)


def _length(table: Table, entry: Any) -> LengthField:
    """One entry of ``lengths``."""
    words: dict[str, LengthKind] = {"content-length": "content-length", "mqtt": "mqtt", "redis": "redis"}
    if isinstance(entry, str) and entry in words:
        return LengthField(words[entry])
    if not isinstance(entry, dict):
        raise table.fault(f"lengths has {shown(entry)}: write content-length, mqtt, redis or {{offset = 2, bytes = 2}}")
    inner = Table(f"{table.label}, lengths", entry)
    offset, size = inner.number("offset", 0, 1 << 31), inner.number("bytes", 1, 8)
    order = inner.choice("order", "big", "little")
    inner.finish()
    if offset is None or size is None:
        raise inner.fault("a length in binary has an offset in its message and a number of bytes")
    return LengthField("bytes", offset, size, order != "little")


def _extract(table: Table) -> Extract:
    """One ``[[extract]]``."""
    name = table.text("name")
    if not name:
        raise table.fault("name is missing: fields use the value as extract:NAME")
    until = table.text("until")
    if until == "":
        raise table.fault("until is empty: give the characters that end the value, or leave it out")
    extract = Extract(
        label=table.label,
        name=name,
        service=table.number("service", 1, 65_535),
        message=table.number("message", 1, 1 << 31),
        after=(table.text("after") or "").encode(),
        until=(_UNTIL if until is None else until).encode(),
        length=table.number("length", 1, LONGEST_EXTRACT) or 64,
        within=table.number("within", 1, LONGEST_WITHIN) or 256,
    )
    table.finish()
    if len(extract.after) >= extract.within:
        raise table.fault(f"within = {extract.within}: the value begins behind the {len(extract.after)} bytes of after")
    return extract


def _stamp(table: Table) -> Stamp:
    """One ``[[stamp]]``."""
    after = table.text("after")
    if not after:
        raise table.fault("after is missing: give the text in front of the time, such as '\"ts\":'")
    unit = table.choice("unit", *get_args(TimeUnit))
    stamp = Stamp(
        label=table.label,
        service=table.number("service", 1, 65_535),
        after=after.encode(),
        unit=cast(TimeUnit, unit or "us"),
        within=table.number("within", 1, LONGEST_WITHIN) or 256,
    )
    table.finish()
    if len(stamp.after) >= stamp.within:
        raise table.fault(f"within = {stamp.within}: the time begins behind the {len(stamp.after)} bytes of after")
    return stamp
