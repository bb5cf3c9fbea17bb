"""The columns that a capture becomes on its way to sessions: frames, endpoints, segments, connections.

Nothing here has payload: a segment says where its bytes stand in the memory map of its file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Data = npt.NDArray[np.uint8]
"""A whole capture file, memory-mapped, read only."""

FRAME = np.dtype(
    [
        ("time_ns", "i8"),  # since the epoch
        ("offset", "i8"),  # of the frame's first byte in the file
        ("captured", "u4"),  # bytes in the file
        ("original", "u4"),  # bytes on the wire
        ("link", "u4"),  # LINKTYPE_ number of the frame's interface
    ]
)
"""One frame as the file holds it."""

ENDPOINTS = np.dtype(
    [("a_hi", "i8"), ("a_lo", "i8"), ("b_hi", "i8"), ("b_lo", "i8"), ("a_port", "u2"), ("b_port", "u2")]
)
"""Two addresses (IPv4 mapped, host byte order, the bits of an i8) and ports: of one packet, or of a flow."""

SEGMENT = np.dtype(
    [
        ("time_ns", "i8"),
        ("tcp", "i8"),  # offset of the TCP header in its file
        ("flow", "u4"),  # index into the flows
        ("seq", "u4"),
        ("ack", "u4"),
        ("length", "u4"),  # payload bytes on the wire
        ("captured", "u4"),  # payload bytes in the file
        ("window", "u2"),  # as it stands in the header
        ("file", "u2"),  # index into the files
        ("mss", "u2"),  # of a SYN, 0 none
        ("header", "u1"),  # bytes of TCP header
        ("flags", "u1"),
        ("direction", "u1"),  # 0: from the flow's endpoint a, 1: from b
        ("scale", "u1"),  # window scale of a SYN, 255 none
        ("options", "u1"),  # controller.record.Option bits of a SYN
        ("header_cut", "u1"),  # bytes of the TCP header that are not in the file
    ]
)
"""One TCP segment, 48 bytes."""

FRAGMENT = np.dtype(
    [
        ("time_ns", "i8"),
        ("ip", "i8"),  # offset of the IP header
        ("payload", "i8"),  # offset of what follows it; IPv6: of the fragment header
        ("end", "i8"),  # of the captured bytes
        ("stop", "i8"),  # of the packet on the wire
        ("owner", "i8"),  # index of its frame in the batch
    ]
)
"""One fragment of an IP packet (RFC 791 3.2, RFC 8200 4.5), in a frame of the present batch."""

RUN = np.dtype(
    [
        ("start_ns", "i8"),  # first packet
        ("end_ns", "i8"),  # latest packet
        ("first", "i8"),  # its packets are order[first:last]
        ("last", "i8"),
        ("bytes", "i8", 2),  # payload bytes of each direction, as often as they were captured
        ("flow", "u4"),
        ("client", "u1"),  # direction whose packets are the client's
        ("known", "u1"),  # 2: a SYN was seen, 1: only a SYN-ACK, 0: began before the capture
    ]
)
"""One TCP connection: a run of one flow's packets."""

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

Array = npt.NDArray[np.void]
"""A structured array; the docstring that mentions it says of which dtype."""
