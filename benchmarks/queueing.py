"""The plainest NFQUEUE reader: takes each packet's first bytes and drops it, as tools before BPF intercepted.

`queueing.py FILE` binds queue 0 of this network namespace, and keeps the number of packets it took in the file's
first eight bytes. Its verdicts are given for 64 packets at once.
Messages: include/uapi/linux/netfilter/nfnetlink_queue.h.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
import sys
from pathlib import Path

_NETFILTER = 12  # NETLINK_NETFILTER
_CONFIG, _VERDICT_BATCH = 3 << 8 | 2, 3 << 8 | 3  # NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG and _VERDICT_BATCH
_REQUEST, _ACK = 1, 4
_HEADERS, _LONGEST, _TOGETHER = 128, 65_536, 64
_SO_RCVBUFFORCE = 33


def main() -> None:
    """Until it is ended."""
    with Path(sys.argv[1]).open("r+b") as file:
        taken = mmap.mmap(file.fileno(), 8)
    queue = _bound()
    os.sched_setaffinity(0, {0})
    taken[:] = struct.pack("=q", 0)
    print("ready", flush=True)
    buffer = bytearray(4096)
    number = 0
    while True:
        try:
            queue.recv_into(buffer)
            while True:
                number += 1
                if number % _TOGETHER == 0:
                    queue.send(_verdict(buffer[24:28]))
                    taken[:] = struct.pack("=q", number)
                queue.recv_into(buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            queue.send(_verdict(buffer[24:28]))
            taken[:] = struct.pack("=q", number)


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
    made.bind((0, 0))
    for attribute in (
        _attribute(1, struct.pack("!BBH", 1, 0, socket.AF_INET)),  # NFQA_CFG_CMD: bind
        _attribute(2, struct.pack("!IB", _HEADERS, 2)),  # NFQA_CFG_PARAMS: NFQNL_COPY_PACKET
        _attribute(3, struct.pack("!I", _LONGEST)),  # NFQA_CFG_QUEUE_MAXLEN
    ):
        made.send(_message(_CONFIG, _REQUEST | _ACK, attribute))
        error = struct.unpack_from("=i", made.recv(4096), 16)[0]
        if error:
            sys.exit(f"NFQUEUE cannot be bound: {os.strerror(-error)}.")
    return made


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _message(kind: int, flags: int, attributes: bytes) -> bytes:
    return struct.pack("=IHHIIBBH", 20 + len(attributes), kind, flags, 0, 0, 0, 0, 0) + attributes


def _verdict(packet: bytes) -> bytes:
    """NF_DROP for all packets up to this number, in network byte order."""
    return _message(_VERDICT_BATCH, _REQUEST, _attribute(2, bytes(4) + packet))


if __name__ == "__main__":
    main()
