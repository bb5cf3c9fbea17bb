"""Switches GRO on at one interface of this network namespace (ethtool's ioctl, without ethtool): `gro.py eth0`.

On veth it brings NAPI with it, without which an interface drops what the other end redirects to it out of XDP.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
import sys

_SIOCETHTOOL, _SET_GRO = 0x8946, 0x2C  # include/uapi/linux/sockios.h, ethtool.h (ETHTOOL_SGRO)


def switch_on(interface: str) -> None:
    """Raises ``OSError`` where the driver has no GRO."""
    value = array.array("B", struct.pack("=II", _SET_GRO, 1))
    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request.ljust(40, b"\0"))


if __name__ == "__main__":
    switch_on(sys.argv[1])
