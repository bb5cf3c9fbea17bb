"""Sums of the messages' bytes for TCP checksums (RFC 1071), made once, with the script: each goes out many times.

A segment that is a whole message takes the message's sum; where a user has bytes of its own in it, the sum is patched
by their difference (RFC 1624). Only parts of messages are left to be summed when they are sent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gryphon.sender.compiled import int64, kernel

MODULUS = 65_535
"""Sums of 16-bit words in ones' complement are numbers modulo this."""


@kernel
def _sum(payload: npt.NDArray[np.uint8], begin: int, end: int) -> int:
    """Sum of bytes as big-endian 16-bit words from ``begin`` on; even and odd ones apart, for wide loops."""
    high, low = int64(0), int64(0)
    for i in range(begin, end, 2):
        high += payload[i]
    for i in range(begin + 1, end, 2):
        low += payload[i]
    return (high << 8) + low


@kernel
def sum_messages(sessions: npt.NDArray[Any], entries: npt.NDArray[Any], payload: npt.NDArray[np.uint8]) -> None:
    """Set ``length`` and ``payload_sum`` of every message.

    Args:
        sessions, entries: dtypes SESSION and ENTRY, ``stream_end`` already set; sessions may share entries.
        payload: what they send; a message that it does not hold stays without a sum.
    """
    for k in range(len(sessions)):
        at, begin = int64(sessions[k]["payload"]), int64(0)
        for i in range(int64(sessions[k]["first"]), int64(sessions[k]["first"]) + int64(sessions[k]["entries"]) - 1):
            end = int64(entries[i]["stream_end"])
            if entries[i]["length"] == 0 and begin < end and at + end <= payload.size:
                entries[i]["payload_sum"] = _sum(payload, at + begin, at + end) % MODULUS
                entries[i]["length"] = end - begin
            begin = end
