"""The transmitter for every host: whole IP packets through raw sockets, many in one system call."""

from __future__ import annotations

import errno
import select
import socket
import time
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import numpy.typing as npt

from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.transmit.checksum import as_words
from gryphon.sender.transmit.frames import destinations
from gryphon.sender.transmit.interface import SendError, Targets
from gryphon.sender.transmit.sockets import drain_errors, open_raw, socket_name
from gryphon.sender.transmit.vectors import Vectors, errno_name, fill, push

_BACK_PRESSURE = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
_OUR_FAULT = (errno.EBADF, errno.ENOTSOCK, errno.EFAULT, errno.ENOSYS)
_QUEUE_FULL_WAIT_S = 0.0005  # nothing tells when a device's queue has room; a tenth of a slice
_ROWS_KEPT = 1 << 16


class RawTransmitter:
    """A ``Transmitter`` over raw sockets (IP_HDRINCL, IPV6_HDRINCL); packets pass the host's routing and firewall."""

    def __init__(self, targets: Targets, payload: npt.NDArray[np.uint8], batch: int = 1024) -> None:
        """Open the sockets and load the kernels, so that the first ``send`` is as quick as any.

        ``payload`` (u1, contiguous) is the script's arena that packets point into; it is read at every ``send`` and
        not copied. ``batch`` is the most packets of one system call. Raises ``EnvironmentFault``.
        """
        self._targets = list(targets)
        self._payload = np.ascontiguousarray(payload, np.uint8).view(np.ndarray)
        self._payload_words = as_words(self._payload)
        self._payload_address: int = self._payload.ctypes.data
        self._vectors = Vectors(batch)
        self._names = [np.frombuffer(socket_name(target), np.uint8) for target in targets]
        self._destinations = destinations(targets)
        self._destinations["name"] = [name.ctypes.data for name in self._names]
        self._destinations["name_length"] = [name.size for name in self._names]
        self._sockets: dict[int, socket.socket] = {}
        self._errors: dict[str, SendError] = {}
        self._refused: list[int] = []
        self._identification = 0
        self._stopped_by = 0
        self._stopped_version = 4
        try:
            for version in sorted({int(version) for version in self._destinations["version"]}):
                self._sockets[version] = open_raw(version)
            self._send_batch(np.zeros(0, PACKET))
        except BaseException:
            self.close()
            raise

    def send(self, packets: Packets) -> int:
        """Take packets in order and return how many were taken; see ``Transmitter``."""
        taken = 0
        while taken < packets.size:
            batch = packets[taken : taken + self._vectors.messages.size]
            sent = self._send_batch(batch)
            taken += sent
            if sent < batch.size:
                break
        return taken

    def _send_batch(self, packets: Packets) -> int:
        """Build and send at most one batch; how many were taken."""
        vectors = self._vectors
        fill(
            packets,
            self._payload,
            self._payload_words,
            self._payload_address,
            self._destinations,
            vectors.headers,
            vectors.pieces,
            vectors.messages,
            vectors.versions,
            self._identification,
        )
        self._identification = (self._identification + packets.size) % 0xFFFF
        at, number = self._push(0, packets.size)
        while number:
            if number in _BACK_PRESSURE:
                self._stopped_by, self._stopped_version = number, int(vectors.versions[at])
                break
            self._refuse(number, packets[at])
            at, number = self._push(at + 1, packets.size)
        return int(at)

    def _push(self, first: int, end: int) -> tuple[int, int]:
        """Send built messages ``first`` to ``end``: the first not sent, and its errno."""
        at, number = push(
            self._descriptor(4),
            self._descriptor(6),
            self._vectors.address,
            self._vectors.versions,
            first,
            end,
        )
        return at, number

    def _descriptor(self, version: int) -> int:
        """The socket for an IP version, -1 without one."""
        opened = self._sockets.get(version)
        return -1 if opened is None else opened.fileno()

    def _refuse(self, number: int, packet: np.void) -> None:
        """Count a packet that the host does not send."""
        if number in _OUR_FAULT:
            raise OSError(number, errno_name(number))
        name = errno_name(number)
        known = self._errors.get(name)
        self._errors[name] = known._replace(packets=known.packets + 1) if known else SendError(1, self._words(packet))
        if len(self._refused) < _ROWS_KEPT:
            self._refused.append(int(packet["row"]))
        for opened in self._sockets.values():
            drain_errors(opened)

    def _words(self, packet: np.void) -> str:
        """A packet as a person would name it."""
        target = self._targets[packet["target"]]
        value = int(packet["source_hi"]) << 64 | int(packet["source_lo"])
        if isinstance(target.address, IPv4Address):
            ends = f"{IPv4Address(value & 0xFFFFFFFF)}:{packet['port']} to {target.address}:{target.port}"
        else:
            ends = f"[{IPv6Address(value)}]:{packet['port']} to [{target.address}]:{target.port}"
        return f"{ends}, {packet['length'] or 'no'} bytes of payload"

    def wait_writable(self, timeout_s: float) -> None:
        """Wait until a short ``send`` is worth another try, at most ``timeout_s`` seconds."""
        if self._stopped_by == errno.EAGAIN:
            poll = select.poll()
            poll.register(self._descriptor(self._stopped_version), select.POLLOUT)
            poll.poll(timeout_s * 1000)
        elif self._stopped_by:
            time.sleep(min(timeout_s, _QUEUE_FULL_WAIT_S))
        self._stopped_by = 0

    def errors(self) -> dict[str, SendError]:
        """Packets refused by the host since the start, by the name of the errno."""
        return dict(self._errors)

    def refused_rows(self) -> npt.NDArray[np.uint32]:
        """Rows whose packets were refused since the last call, at most 65,536 of them."""
        rows, self._refused = self._refused, []
        return np.array(rows, np.uint32)

    def close(self) -> None:
        """Close the sockets; calling it twice does no harm."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
