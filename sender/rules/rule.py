"""What a rule says, once parsed: a field of client messages, or a value that answers give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gryphon.sender.replay.fields import Kind

TimeUnit = Literal["s", "ms", "us", "ns"]
LengthKind = Literal["content-length", "mqtt", "redis", "bytes"]


@dataclass(frozen=True)
class LengthField:
    """A length in the same message that follows a change of width."""

    kind: LengthKind
    offset: int = 0  # of "bytes": in the message
    size: int = 0
    big: bool = True


@dataclass(frozen=True)
class Value:
    """Where a field's value comes from; ``file`` and ``column`` of a CSV, ``name`` of an extract rule."""

    kind: Kind
    file: Path = Path()
    column: str = ""
    name: str = ""


@dataclass(frozen=True)
class FieldRule:
    """Bytes of client messages that each user has its own of.

    Attributes:
        label: how a fault names the rule.
        service: recorded server port; None: every service.
        message: number of the client's message in its session, from 1; None: every message.
        match: what to look for; None: the bytes from ``offset`` on, ``length`` of them.
        width: bytes of the new value; None: as long as the longest match; "any": each value at its own length.
        start: added to user and counter.
        pad: the byte that fills a shorter value, on its left when ``right``.
        alphabet: letters of random text.
        cut: whether a value longer than the width is cut; otherwise it is refused.
        lengths: what follows a change of width.
    """

    label: str
    service: int | None
    message: int | None
    match: re.Pattern[bytes] | None
    offset: int
    length: int
    value: Value
    width: int | Literal["any"] | None = None
    start: int = 0
    pad: int = 0x20
    right: bool = False
    alphabet: bytes = b""
    cut: bool = True
    lengths: tuple[LengthField, ...] = ()


@dataclass(frozen=True)
class Extract:
    """A value that an answer gives: what stands behind ``after``, up to a byte of ``until``.

    Attributes:
        label: how a fault names the rule.
        name: what fields call it.
        service: recorded server port; None: every service.
        message: number of the client's message whose answer has it, from 1; None: every answer.
        after: text in the answer in front of the value; empty: the answer begins with it.
        until: bytes that end it.
        length: most bytes that are kept.
        within: how many first bytes of each segment are looked at, which the intercept's sample must have.
    """

    label: str
    name: str
    service: int | None
    message: int | None
    after: bytes
    until: bytes
    length: int
    within: int


@dataclass(frozen=True)
class Stamp:
    """A time that a publisher writes into its messages, in decimal: how old they are when they arrive is noted.

    Attributes:
        label: how a fault names the rule.
        service: recorded server port; None: every service.
        after: text in front of the digits.
        unit: of the number, since the epoch.
        within: how many first bytes of each segment are looked at, which the intercept's sample must have.
    """

    label: str
    service: int | None
    after: bytes
    unit: TimeUnit
    within: int


@dataclass(frozen=True)
class UserRules:
    """Every rule of a run; ``extracts`` in the order of their slots."""

    fields: tuple[FieldRule, ...] = ()
    extracts: tuple[Extract, ...] = ()
    stamps: tuple[Stamp, ...] = ()
