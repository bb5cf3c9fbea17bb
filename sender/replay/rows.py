"""A user is a row: the layout of the columns that hold every simulated user, 96 bytes each.

Times are microseconds of the run's clock modulo 2^32; a deadline of 0 is none. Sequence numbers are modulo 2^32.
"""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

USER = np.dtype(
    [
        ("state", "u1"),  # transitions.State: the TCP state
        ("phase", "u1"),  # Phase: what the script waits for
        ("marks", "u1"),  # Mark bits
        ("outcome", "u1"),  # of the session: RUNNING, COMPLETED, CUT or FAILED + a reason's place; with Before bits
        ("peer_scale", "u1"),  # window scale of the server (RFC 7323), plus UNSCALED
        ("retries", "u1"),  # retransmissions of what is unacknowledged, in a row
        ("duplicates", "u1"),  # duplicate acknowledgements in a row
        ("hops", "u1"),  # quarter-turns of the 32-bit clock still to pass before act_at counts
        ("loop", "u2"),  # how often this user has come back
        ("mss", "u2"),  # payload bytes per segment
        ("cwnd", "u2"),  # congestion window, segments (RFC 5681)
        ("ssthresh", "u2"),  # slow start threshold, segments
        ("window", "u2"),  # what the server last advertised, unscaled
        ("srtt", "u2"),  # smoothed round trip, 64 us units (RFC 6298); 0: no sample yet
        ("rttvar", "u2"),  # its variation, 64 us units
        ("ack_tick", "u2"),  # wheel tick at which the delayed acknowledgement goes out
        ("message", "u4"),  # index of the next script entry to release
        ("snd_una", "u4"),
        ("snd_nxt", "u4"),
        ("snd_max", "u4"),  # highest snd_nxt before a time-out pulled it back
        ("rcv_nxt", "u4"),
        ("ts_recent", "u4"),  # TSval to echo (RFC 7323, 4.3)
        ("answer", "u4"),  # bytes of the answer so far
        ("intended", "u4"),  # when the last message should have gone out by the schedule; in PEER_CLOSE the last hop
        ("sent_at", "u4"),  # when it did
        ("rto_at", "u4"),  # deadline: retransmission or window probe
        ("act_at", "u4"),  # deadline: the script's next action
        ("previous", "u4"),  # timer wheel: row + 1 of the neighbours, 0 at the ends
        ("next", "u4"),
        ("tick", "u4"),  # timer wheel: tick + 1 it is linked at, 0 when it is not
        ("hole_start", "u4", (2,)),  # out-of-order data beyond rcv_nxt, up to two ranges
        ("hole_end", "u4", (2,)),
    ],
    align=True,
)
"""One simulated user."""

Users = npt.NDArray[np.void]
"""All users, dtype ``USER``, as a recarray so that plain Python can step the kernels too."""


class Phase(enum.IntEnum):
    """What the script of a user waits for."""

    DUE = 0  # the next entry's time (act_at)
    ANSWER = 1  # the first byte of the answer; act_at is the time-out
    SETTLE = 2  # more of the answer, or silence until act_at
    UNSURE = 3  # the same, where silence may mean a loss
    STALLED = 4  # the same, where it surely does
    PEER_CLOSE = 5  # the server, which closed first in the recording, or a hold's end; act_at is the end of patience
    UNSENT = 6  # the windows, before it closes or holds: not everything has been sent; act_at is the time-out
    CLOSING = 7  # the connection's end after our FIN; act_at is the end of patience
    ENDED = 8  # nothing
    AWAY = 9  # its next session, after a failed one or while none may begin; act_at is its start


class Mark(enum.IntEnum):
    """Bits of a user's ``marks``."""

    TIMESTAMPS = 1  # both ends sent the option (RFC 7323, 3.2)
    TIMING = 2  # the last message times a round trip (Karn: cleared by a retransmission)
    ACK_DUE = 4  # an acknowledgement waits for ack_tick
    RECOVERY = 8  # fast recovery until everything outstanding is acknowledged (RFC 6582)
    FIN_RELEASED = 16  # our FIN follows the released bytes
    FIRST_BYTE = 32  # the answer has begun
    REFUSED = 64  # this host refused to send the user's last packets
    HELD = 128  # a full batch held something back


UNSCALED = 0x80
"""Beside ``peer_scale``: the window is still that of the SYN-ACK, which is never scaled (RFC 7323, 2.2)."""

RUNNING = 0
COMPLETED = 1
CUT = 2  # the run's time was over in the middle of it
FAILED = 3  # + index of the reason in measures.FAILURES
OUTCOME = 0x0F
"""The bits of ``outcome`` that say what became of the present session."""

DIFFERS = 0x10
"""The bit of ``outcome`` that says that the present answer began otherwise than the recorded one."""


class Before(enum.IntEnum):
    """Bits of a user's ``outcome`` that speak of all its sessions so far."""

    CONNECTED = 0x20
    COMPLETED = 0x40
    FAILED = 0x80


def new_users(count: int) -> Users:
    """Rows for ``count`` users, all idle; memory is touched only as users start."""
    return np.zeros(count, USER).view(np.recarray)
