"""Where the capture itself lost packets: a recorder that could not keep up loses most in its busiest seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gryphon.sender.capture.columns import Array

_SECOND = 1_000_000_000
_MOST = 5


@dataclass(frozen=True)
class Second:
    """A second in which missing bytes showed."""

    start_ns: int  # since the epoch
    connections: int
    bytes: int


@dataclass(frozen=True)
class Losses:
    """Connections whose client bytes are not all in the capture; the first hole of each is measured."""

    connections: int
    bytes: int
    seconds: list[Second]  # the worst first


def losses(connections: Array) -> Losses:
    """What CONNECTION rows say of bytes that the capture lost or cut off."""
    holed = connections[connections["missing"] > 0]
    if len(holed) == 0:  # of most services, of which a port scan has very many
        return Losses(0, 0, [])
    second, which = np.unique(holed["hole_ns"] // _SECOND, return_inverse=True)
    counts = np.bincount(which, minlength=len(second))
    sizes = np.zeros(len(second), np.int64)
    np.add.at(sizes, which, holed["missing"])
    worst = np.lexsort((second, -sizes, -counts))[:_MOST]
    rows = [Second(int(second[i]) * _SECOND, int(counts[i]), int(sizes[i])) for i in worst]
    return Losses(len(holed), int(holed["missing"].sum()), rows)
