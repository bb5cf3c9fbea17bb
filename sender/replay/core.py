"""The engine's memory: every array that the compiled kernels share, as one named tuple."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SETTINGS = np.dtype(
    [
        ("users", "i8"),
        ("start", "i8"),  # us of the run's clock at which the schedule begins
        ("rate", "f8"),  # new sessions per second
        ("timeout", "i8"),  # us without a byte of an answer, or without a handshake
        ("mtu", "i8"),
        ("headers", "i8"),  # bytes of the IP and TCP headers without options
        ("generation", "i8"),  # of the lease; other records are stray
        ("isn_clock", "i8"),  # RFC 6528's M at the start of the run
        ("ts_clock", "i8"),  # TSval at the run's clock 0, milliseconds
    ],
    align=True,
)
"""What does not change during a run, one row."""

CURSOR = np.dtype(
    [
        ("tick", "i8"),  # next tick of the wheel to serve, absolute
        ("started", "i8"),  # users whose start has been sent
        ("swept", "i8"),  # rows the abort has passed
        ("packets", "i8"),  # descriptors in the batch
    ],
    align=True,
)
"""Where the engine stands, one row."""


class Core(NamedTuple):
    """Arrays of the engine; structured ones are recarrays."""

    users: Any  # rows.USER
    heads: Any  # the wheel's slots
    sessions: Any  # script.SESSION
    entries: Any  # script.ENTRY
    services: Any  # u2 per target: the intercept's index of that service
    blocks: Any  # addresses.BLOCK
    plan: Any  # addresses.PLAN, one row
    settings: Any  # SETTINGS, one row
    cursor: Any  # CURSOR, one row
    counters: Any  # measures.Counter
    histograms: Any  # measures.Histogram
    packets: Any  # packet.PACKET: the batch being filled
