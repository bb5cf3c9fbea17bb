"""What the host refused to send: counted by reason, with the first packet of each and the users that it hit."""

from __future__ import annotations

import errno
import os
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import numpy.typing as npt

from gryphon.sender.transmit.interface import SendError, Targets

_OUR_FAULT = (errno.EBADF, errno.ENOTSOCK, errno.EFAULT, errno.ENOSYS)
_ROWS_KEPT = 1 << 16


class Refusals:
    """The refusals of one transmitter."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._errors: dict[str, SendError] = {}
        self._rows: list[int] = []

    def add(self, number: int, packet: np.void) -> None:
        """Count a packet (dtype ``PACKET``) refused with an errno; ``OSError`` where that is a bug of our own."""
        if number in _OUR_FAULT:
            raise OSError(number, errno_name(number))
        name = errno_name(number)
        known = self._errors.get(name)
        self._errors[name] = known._replace(packets=known.packets + 1) if known else SendError(1, self._words(packet))
        if len(self._rows) < _ROWS_KEPT:
            self._rows.append(int(packet["row"]))

    def errors(self) -> dict[str, SendError]:
        """Packets refused since the start, by the name of the errno."""
        return dict(self._errors)

    def rows(self) -> npt.NDArray[np.uint32]:
        """Rows whose packets were refused since the last call, at most 65,536 of them."""
        rows, self._rows = self._rows, []
        return np.array(rows, np.uint32)

    def _words(self, packet: np.void) -> str:
        """A packet as a person would name it."""
        target = self._targets[packet["target"]]
        value = int(packet["source_hi"]) << 64 | int(packet["source_lo"])
        if isinstance(target.address, IPv4Address):
            ends = f"{IPv4Address(value & 0xFFFFFFFF)}:{packet['port']} to {target.address}:{target.port}"
        else:
            ends = f"[{IPv6Address(value)}]:{packet['port']} to [{target.address}]:{target.port}"
        return f"{ends}, {packet['length'] or 'no'} bytes of payload"


def errno_name(number: int) -> str:
    """The symbol of an errno, such as ``EMSGSIZE``."""
    return errno.errorcode.get(number, f"errno {number} ({os.strerror(number)})")
