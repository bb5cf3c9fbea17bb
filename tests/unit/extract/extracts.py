"""Extracts made in the test's own process, and what they have to tell of what they were made of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from conversations import same

from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import Recording, Rules
from gryphon.sender.extract.options import ExtractOptions
from gryphon.sender.extract.output import opened
from gryphon.sender.extract.run import Extracted, extract

ADDRESSES = ("client_hi", "client_lo", "server_hi", "server_lo")


def extracted(files: list[str], ports: set[int], to: Path, **options: Any) -> Extracted:
    """Write an extract to a path that is free."""
    wanted = ExtractOptions(files=tuple(files), ports=frozenset(ports), output=str(to), **options)
    with opened(wanted.output, wanted.files, wanted.force) as output:
        return extract(wanted, output)


def replayable(recording: Recording, *, addresses: bool = True) -> Recording:
    """The recording as it would be if the capture had nothing but its replayable sessions."""
    sessions = recording.sessions.copy()
    sessions["connection"] = np.arange(len(sessions))
    for name in () if addresses else ADDRESSES:
        sessions[name] = 0
    return dataclasses.replace(recording, sessions=sessions, rejected=dict.fromkeys(recording.rejected, 0))


def tells_the_same(files: list[str], ports: set[int], to: Path, rules: Rules, **options: Any) -> None:
    """Extract, with and without other addresses: the same sessions, and from the extract the same bytes again."""
    original = load(files, ports, rules)
    for anonymise in (False, True):
        once, twice = to / f"once{anonymise}", to / f"twice{anonymise}"
        extracted(files, ports, once, anonymise=anonymise, **options)
        got = load([str(once)], set(original.sessions["server_port"].tolist()), rules)
        assert same(replayable(original, addresses=not anonymise), _as_loaded(got, addresses=not anonymise))
        assert got.recorded == len(got.sessions)
        extracted([str(once)], ports, twice, anonymise=anonymise, **options)
        assert once.read_bytes() == twice.read_bytes()


def _as_loaded(recording: Recording, *, addresses: bool) -> Recording:
    """Nothing changed but the addresses, where they are not to be compared."""
    sessions = recording.sessions.copy()
    for name in () if addresses else ADDRESSES:
        sessions[name] = 0
    return dataclasses.replace(recording, sessions=sessions)
