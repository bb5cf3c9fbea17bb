"""Which connections of a recording are written, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import check_ports, nothing_replayable
from gryphon.sender.capture.recording import REASONS, Recording, Verdict
from gryphon.sender.extract.options import ExtractOptions

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """What is written and what is not."""

    connections: Numbers  # indexes into Recording.connections, ascending
    left_out: dict[str, int]  # reason to connections to the chosen ports, those that have any


def choose(recording: Recording, options: ExtractOptions) -> Choice:
    """The replayable sessions to the chosen ports: all, the first ones, or those that the user named.

    InputFault: there is none, or one that was named is not there, goes elsewhere or cannot be replayed.
    """
    connections = recording.connections
    check_ports(options.ports, recording.ports, options.files)
    to_ports = np.isin(connections["server_port"], np.array(sorted(options.ports)))
    replayable = to_ports & (connections["verdict"] == Verdict.REPLAYABLE)
    counts = np.bincount(connections["verdict"][to_ports], minlength=len(Verdict))
    rejected = {reason: int(counts[Verdict[reason.upper()]]) for reason in REASONS}
    chosen = np.flatnonzero(replayable)
    if options.numbers is not None:
        chosen = _named(recording, options.numbers, to_ports, options.ports)
    elif len(chosen) == 0:
        raise InputFault(nothing_replayable(options.files, options.ports, int(to_ports.sum()), rejected))
    chosen = chosen[: options.most]
    left_out = rejected | {"not chosen": int(replayable.sum()) - len(chosen)}
    return Choice(chosen, {reason: count for reason, count in left_out.items() if count})


def _named(
    recording: Recording, numbers: Collection[int], to_ports: npt.NDArray[np.bool_], ports: Collection[int]
) -> Numbers:
    """The connections with these numbers, every one of them replayable and to one of the ports."""
    for number in sorted(numbers):
        if number >= recording.recorded:
            raise InputFault(f"there is no session {number}: the last one is {recording.recorded - 1}")
        row = recording.connections[number]
        if not to_ports[number]:
            wanted = " or ".join(str(port) for port in sorted(ports))
            raise InputFault(f"session {number} goes to port {row['server_port']}, not to port {wanted} of -x")
        if row["verdict"] != Verdict.REPLAYABLE:
            reason = Verdict(int(row["verdict"])).name.lower()
            raise InputFault(f"session {number} cannot be replayed: {reason} ({REASONS[reason]})")
    return np.array(sorted(numbers), np.int64)
