"""Segments to TCP connections: a counting sort by flow, then each flow is split where one begins.

The rules, for the packets of one flow in time order:

- A SYN begins a connection; its sender is the client (RFC 9293 section 3.5).
- The same SYN again (same initial sequence number) is a retransmission, also after the reset of a connection
  that was never established, as some clients try again after a refusal.
- A SYN with another initial sequence number, or the same one after an established connection was closed, begins
  the next connection: the port is used again.
- A SYN-ACK that nothing explains begins a connection too, whose SYN the capture has missed, and so does any
  other packet in front of the first SYN. Where the SYN that it acknowledges follows it, the capture has them in
  the wrong order (several queues or taps): the SYN is put in front.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import ACK, FIN, RST, RUN, SYN, Array
from gryphon.sender.compiled import int64, kernel

Order = npt.NDArray[np.uint32]
"""Indexes into the segments, grouped by flow, in time order within a flow."""

_CLOSED_BY_RST = 4
_BOTH_FINS = 3


@kernel
def _group(flow: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64], order: Order) -> None:
    """Counting sort: ``starts`` (flows + 1) becomes where each flow begins in ``order``."""
    for i in range(len(flow)):
        starts[int64(flow[i]) + 1] += 1
    for f in range(1, len(starts)):
        starts[f] += starts[f - 1]
    following = starts.copy()
    for i in range(len(flow)):
        f = int64(flow[i])
        order[following[f]] = i
        following[f] += 1


@kernel
def _put_in_front(order: Order, first: int, k: int) -> None:
    """Move the packet at ``k`` to ``first``; those in between move on by one."""
    moved = order[k]
    for j in range(k, first, -1):
        order[j] = order[j - 1]
    order[first] = moved


@kernel
def _split(segments: Array, starts: npt.NDArray[np.int64], order: Order, runs: Array) -> int:
    """Write a RUN row for each connection; gives how many."""
    n = -1
    for f in range(len(starts) - 1):
        current = False
        established = False
        closed = 0  # bit per direction that sent its FIN, _CLOSED_BY_RST
        isn = int64(-1)  # of the client's SYN
        server_isn, expected = int64(-1), int64(-1)  # expected: the SYN that a SYN-ACK in front acknowledges
        client = 0
        for k in range(starts[f], starts[f + 1]):
            i = int64(order[k])
            flags = int64(segments["flags"][i])
            direction = int64(segments["direction"][i])
            seq = int64(segments["seq"][i])
            kind = flags & (SYN | ACK | RST)
            begins = not current
            if kind == SYN and current and seq == expected and direction == client and isn < 0:
                _put_in_front(order, runs["first"][n], k)
                runs["start_ns"][n] = min(runs["start_ns"][n], segments["time_ns"][i])
                runs["known"][n] = 2
                isn = seq
            elif kind == SYN and current:
                over = established and (closed == _BOTH_FINS or closed >= _CLOSED_BY_RST)
                again = seq != isn if direction == client else established or isn < 0  # not a simultaneous open
                begins = over or again
            elif kind == SYN | ACK and current and closed != 0:
                begins = direction == client or (seq != server_isn and server_isn >= 0)
            if begins:
                if n >= 0 and runs["last"][n] < 0:
                    runs["last"][n] = k
                n += 1
                current, established, closed = True, False, 0
                isn = seq if kind == SYN else int64(-1)
                server_isn = int64(-1)
                expected = (int64(segments["ack"][i]) - 1) & 0xFFFFFFFF if kind == SYN | ACK else int64(-1)
                client = 1 - direction if kind == SYN | ACK else direction
                runs["start_ns"][n] = segments["time_ns"][i]
                runs["end_ns"][n] = segments["time_ns"][i]
                runs["first"][n] = k
                runs["last"][n] = -1
                runs["flow"][n] = f
                runs["client"][n] = client
                runs["known"][n] = 2 if kind == SYN else (1 if kind == SYN | ACK else 0)
            runs["end_ns"][n] = max(runs["end_ns"][n], segments["time_ns"][i])
            runs["bytes"][n, direction] += int64(segments["length"][i])
            if kind == SYN | ACK and direction != client:
                server_isn = seq
            if kind == ACK and direction == client:
                established = True
            if flags & RST:
                closed |= _CLOSED_BY_RST
            elif flags & FIN:
                closed |= 1 << direction
        if n >= 0 and runs["last"][n] < 0:
            runs["last"][n] = starts[f + 1]
    return n + 1


def split(segments: Array, flows: int) -> tuple[Array, Order]:
    """The connections (RUN rows, by flow) of time-ordered SEGMENT rows, and their packets' order."""
    starts = np.zeros(flows + 1, np.int64)
    order = np.zeros(len(segments), np.uint32)
    _group(segments["flow"], starts, order)
    beginnings = int(np.count_nonzero(segments["flags"] & SYN)) + flows
    runs = np.zeros(beginnings, RUN)
    return runs[: _split(segments, starts, order, runs)], order


def server_ports(runs: Array, flows: Array, ports: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
    """The server's port of each connection; sets ``client`` where no SYN told who the client is.

    There the server is the end that has one of the chosen ``ports``, or else the lower port.
    """
    rows = flows[runs["flow"]]
    a, b = rows["a_port"].astype(np.int64), rows["b_port"].astype(np.int64)
    server_is_b = a > b
    if ports is not None:
        a_chosen, b_chosen = np.isin(a, ports), np.isin(b, ports)
        server_is_b = np.where(a_chosen == b_chosen, server_is_b, b_chosen)
    guessed = runs["known"] == 0
    runs["client"][guessed] = np.where(server_is_b, 0, 1)[guessed]
    port: npt.NDArray[np.int64] = np.where(runs["client"] == 0, b, a)
    return port
