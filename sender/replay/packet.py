"""The packet descriptor: what the engine wants on the wire, one row each, for any transmitter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PACKET = np.dtype(
    [
        ("source_hi", "u8"),  # forged address, IPv4 mapped, host byte order
        ("source_lo", "u8"),
        ("payload", "i8"),  # offset of the first payload byte in the script's payload arena
        ("seq", "u4"),
        ("ack", "u4"),
        ("tsval", "u4"),
        ("tsecr", "u4"),
        ("row", "u4"),  # the user, for traces
        ("port", "u2"),  # forged source port
        ("window", "u2"),  # as it stands in the header, unscaled
        ("length", "u2"),  # payload bytes
        ("mss", "u2"),  # MSS option of a SYN
        ("target", "u2"),  # index into the table of servers
        ("flags", "u1"),
        ("options", "u1"),  # controller.record.Option bits to write
        ("window_scale", "u1"),  # of a SYN
        (
            "summed",
            "u1",
        ),  # not 0: ``payload_sum`` is that of the payload's 16-bit words, modulo 65,535; else nobody made it
        ("payload_sum", "u2"),
        ("reserved", "u1", (4,)),
    ]
)
"""One packet to send, 64 bytes."""

Packets = npt.NDArray[np.void]
"""A batch of packet descriptors, dtype ``PACKET``."""
