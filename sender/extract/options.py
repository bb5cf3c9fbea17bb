"""The options of ``gryphon extract``, checked: every wrong one gets a sentence before a capture is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gryphon.controller.errors import InputFault


@dataclass(frozen=True)
class ExtractOptions:
    """What the user asked for."""

    files: tuple[str, ...]
    ports: frozenset[int]
    output: str  # - for standard output
    most: int | None = None  # sessions, the first ones
    numbers: frozenset[int] | None = None  # of connections, as ``gryphon inspect`` shows them
    allow_encrypted: bool = False
    hold: bool = False
    force: bool = False
    anonymise: bool = False


def parse_numbers(text: str | None) -> frozenset[int] | None:
    """``--session``: numbers of connections, with commas."""
    if text is None:
        return None
    parts = [piece.strip() for piece in text.split(",") if piece.strip()]
    if not parts or not all(re.fullmatch(r"[0-9]{1,18}", part) for part in parts):
        raise InputFault(f"--session {text}: give the numbers that gryphon inspect shows, such as 3 or 3,17")
    return frozenset(int(part) for part in parts)


def parse_most(sessions: int | None) -> int | None:
    """``--sessions``: at least one, or all."""
    if sessions is not None and sessions < 1:
        raise InputFault(f"--sessions {sessions}: at least one session is needed")
    return sessions
