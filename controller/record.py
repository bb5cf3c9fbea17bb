"""The record: header fields of one intercepted packet, as numpy sees it on both ends of the channel.

The C struct in ``bpf/record.h`` is the one definition; a test compares it with this mirror field by field.
"""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

RECORD = np.dtype(
    [
        ("time_ns", "u8"),
        ("address_hi", "u8"),
        ("address_lo", "u8"),
        ("seq", "u4"),
        ("ack", "u4"),
        ("length", "u4"),
        ("tsval", "u4"),
        ("port", "u2"),
        ("window", "u2"),
        ("service", "u2"),
        ("generation", "u2"),
        ("mss", "u2"),
        ("flags", "u1"),
        ("kind", "u1"),
        ("icmp_type", "u1"),
        ("icmp_code", "u1"),
        ("options", "u1"),
        ("window_scale", "u1"),
        ("sample_length", "u4"),
        ("version", "u1"),
        ("reserved", "u1", (3,)),
    ]
)
"""One intercepted packet, 64 bytes; samples.py has it with a payload sample behind it."""

PLAIN = np.dtype((np.void, RECORD.itemsize))
"""A record as bytes without fields: numpy copies these at 1 to 5 ns each, records with fields at 80 to 100 ns."""

Records = npt.NDArray[np.void]
"""A batch of records, dtype ``RECORD`` or ``samples.sampled(n)``."""


class Kind(enum.IntEnum):
    """What kind of packet a record tells of (``enum record_kind``)."""

    TCP = 0
    ICMP = 1
    FRAGMENT = 2


class Option(enum.IntFlag):
    """Which TCP options the segment carried (``enum record_option``)."""

    MSS = 1
    WINDOW_SCALE = 2
    SACK_PERMITTED = 4
    TIMESTAMP = 8
