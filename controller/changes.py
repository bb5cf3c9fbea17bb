"""Whether the kernel has changed anything about links, routes and the like: asked often, told for nothing."""

from __future__ import annotations

import errno
import select
import socket

_ROUTE = 0  # NETLINK_ROUTE


class Changes:
    """Hears of every change in this thread's network namespace from now on; what changed, others find out.

    Args:
        groups: of what, RTMGRP_* as one number (include/uapi/linux/rtnetlink.h).
    """

    def __init__(self, groups: int) -> None:
        flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, flags, _ROUTE)
        self._socket.bind((0, groups))

    def heard(self) -> bool:
        """Whether anything has changed since the last call; returns at once."""
        any_change = False
        while True:
            try:
                self._socket.recv(1)  # the rest of the message goes, too
            except BlockingIOError:
                return any_change
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # more changes than the socket holds
                    raise
            any_change = True

    def wait(self, seconds: float) -> None:
        """Sleep until something has changed, at most so long."""
        select.select([self._socket], [], [], seconds)
        self.heard()

    def close(self) -> None:
        """Close the socket; calling it twice does no harm."""
        self._socket.close()
