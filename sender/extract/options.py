"""The options of ``gryphon extract``, checked: every wrong one gets a sentence before a capture is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gryphon.controller.errors import InputFault
from gryphon.sender.options import parse_files
from gryphon.sender.transfers import parse_transfers


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


def parse_inputs(texts: list[str]) -> tuple[str, ...]:
    """The FILE arguments, each with commas and shell patterns as ``-f`` of ``gryphon send`` has them."""
    if not any(text.strip(", ") for text in texts):
        raise InputFault("no capture file was given: name one, such as gryphon extract xxx.pcap -x 80 -o small.pcap")
    return tuple(file for text in texts if text.strip(", ") for file in parse_files(text))


def parse_ports(text: str) -> frozenset[int]:
    """``-x``: server ports, ``80,443``; of a transfer as ``gryphon send`` takes it, the recorded port."""
    ports: set[int] = set()
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        if "-" in part:
            ports.update(parse_transfers(part).targets)
        elif re.fullmatch(r"[0-9]{1,5}", part) and 0 < int(part) < 65536:
            ports.add(int(part))
        else:
            raise InputFault(f"-x {part} is not a TCP port: give the recorded server's, 1 to 65535, such as -x 80,443")
    if not ports:
        raise InputFault("no port was given: name the recorded server's with -x, such as -x 80")
    return frozenset(ports)


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
