"""What fields are replaced with: texts out of CSV columns, widths, and values that do not fit."""

from __future__ import annotations

import csv
import logging

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.fields import Kind
from gryphon.sender.rules.rule import Extract, FieldRule

log = logging.getLogger("gryphon")


def read_column(rule: FieldRule) -> list[tuple[int, bytes]]:
    """The values of a CSV column, each with its line in the file."""
    path, column = rule.value.file, rule.value.column
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or ())
            if column not in names:
                raise InputFault(
                    f"{rule.label}: {path} has no column {column}: its first line names {', '.join(names)}"
                )
            values = [(reader.line_num, row[column]) for row in reader]
    except OSError as error:
        raise InputFault(f"{rule.label}: {path} cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise InputFault(f"{rule.label}: {path} is not CSV: {error}") from error
    for line, value in values:
        if value is None:
            raise InputFault(f"{rule.label}: line {line} of {path} has no {column}: complete it or take it out")
    if not values:
        raise InputFault(f"{rule.label}: {path} has no line below the names of its columns: add values")
    return [(line, value.encode("utf-8", "surrogateescape")) for line, value in values]


def fit(text: bytes, rule: FieldRule, width: int) -> bytes:
    """A text at a field's width: padded, or its first bytes."""
    pad = bytes((rule.pad,))
    return text[:width].rjust(width, pad) if rule.right else text[:width].ljust(width, pad)


def check_column(rule: FieldRule, values: list[tuple[int, bytes]], width: int) -> None:
    """Refuse what would be cut, where the rule says so."""
    for line, value in values:
        if len(value) > width and not rule.cut:
            raise InputFault(
                f"{rule.label}: line {line} of {rule.value.file} has {len(value)} bytes, the field {width}: "
                "shorten it, give a larger width, or let cut = true"
            )


def check_numbers(rule: FieldRule, width: int, users: int, loops: int) -> None:
    """Refuse numbers with too many digits where the rule says so; otherwise say that they are cut."""
    most = rule.start + users * (loops if rule.value.kind is Kind.COUNTER else 1) - 1
    digits = len(str(most))
    if digits <= width:
        return
    if not rule.cut:
        raise InputFault(
            f"{rule.label}: numbers up to {most} have {digits} digits, the field {width} bytes: "
            "give a larger width, fewer users, or let cut = true"
        )
    log.warning("%s: numbers up to %d keep only their last %d digits and repeat: give width", rule.label, most, width)


def check_extract(rule: FieldRule, width: int, extracts: tuple[Extract, ...]) -> None:
    """Refuse an extract that may be cut, where the rule says so."""
    longest = next(extract.length for extract in extracts if extract.name == rule.value.name)
    if longest > width and not rule.cut:
        raise InputFault(
            f"{rule.label}: the extract {rule.value.name} may have {longest} bytes, the field {width}: "
            "give a larger width, a smaller length of the extract, or let cut = true"
        )
