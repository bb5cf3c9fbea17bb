"""Whether the kernel has changed anything about links or traffic control: asked often, told for nothing."""

from __future__ import annotations

import errno
import socket

_GROUPS = 0x1 | 0x8  # RTMGRP_LINK, RTMGRP_TC (include/uapi/linux/rtnetlink.h)
_ROUTE = 0  # NETLINK_ROUTE


class Changes:
    """Hears of every change in this thread's network namespace from now on; what changed, others find out."""

    def __init__(self) -> None:
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, flags, _ROUTE)
        self._socket.bind((0, _GROUPS))

    def any(self) -> bool:
        """Whether something has changed since the last call; returns at once."""
        changed = False
        while True:
            try:
                self._socket.recv(1)  # the rest of the message goes, too
            except BlockingIOError:
                return changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # more changes than the socket holds
                    raise
            changed = True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
