"""Packets through sockets, many in one system call: what the transmitters of raw packets and of frames share."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.transmit.checksum import as_words
from gryphon.sender.transmit.frames import destinations
from gryphon.sender.transmit.interface import SendError, Targets
from gryphon.sender.transmit.refusals import Refusals
from gryphon.sender.transmit.sockets import drain_errors
from gryphon.sender.transmit.vectors import Vectors, fill, push

_BACK_PRESSURE = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
_QUEUE_FULL_WAIT_S = 0.0005  # nothing tells when a device's queue has room; a tenth of a slice


class BatchTransmitter:
    """A ``Transmitter`` over one socket for each IP version, which may be the same."""

    def __init__(
        self,
        targets: Targets,
        payload: npt.NDArray[np.uint8],
        batch: int,
        opening: Callable[[int], socket.socket],
        names: Sequence[bytes],
        fronts: Sequence[bytes] = (),
    ) -> None:
        """Open the sockets and load the kernels, so that the first ``send`` is as quick as any.

        Args:
            payload: (u1, contiguous) the script's arena that packets point into; read at every ``send``, not copied.
            batch: the most packets of one system call.
            opening: opens the socket for an IP version.
            names: the ``sockaddr`` of each target.
            fronts: what stands in front of the IP header to each target, 14 bytes; nothing without them.

        Raises:
            EnvironmentFault: a socket cannot be opened.
        """
        self._payload = np.ascontiguousarray(payload, np.uint8).view(np.ndarray)
        self._payload_words = as_words(self._payload)
        self._payload_address: int = self._payload.ctypes.data
        self._vectors = Vectors(batch, front=bool(fronts))
        self._destinations = destinations(targets)
        self._address(names, fronts)
        self._refusals = Refusals(list(targets))
        self._sockets: dict[int, socket.socket] = {}
        self._identification = 0
        self._stopped_by = 0
        self._stopped_version = 4
        try:
            for version in sorted({int(version) for version in self._destinations["version"]}):
                self._sockets[version] = opening(version)
            self._send_batch(np.zeros(0, PACKET))
        except BaseException:
            self.close()
            raise

    def _address(self, names: Sequence[bytes], fronts: Sequence[bytes]) -> None:
        """Where packets go from now on: a ``sockaddr`` and a front for each target."""
        self._names = [np.frombuffer(name, np.uint8) for name in names]
        self._destinations["name"] = [name.ctypes.data for name in self._names]
        self._destinations["name_length"] = [name.size for name in self._names]
        padded = b"".join(bytes(2) + front for front in fronts)  # so that the IP header stands at a whole word
        self._fronts = np.frombuffer(padded, np.uint32).reshape(len(fronts), -1 if fronts else 0)

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
            self._fronts,
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
                if not self._is_cut_off(packets[at]):
                    self._stopped_by, self._stopped_version = number, int(vectors.versions[at])
                    break
                number = errno.ENETDOWN
            self._refusals.add(number, packets[at])
            for opened in self._sockets.values():
                drain_errors(opened)
            at, number = self._push(at + 1, packets.size)
        return int(at)

    def _is_cut_off(self, packet: np.void) -> bool:
        """Whether what looks like a full queue is a device without a cable, which nobody can wait for."""
        return False

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
        return self._refusals.errors()

    def refused_rows(self) -> npt.NDArray[np.uint32]:
        """Rows whose packets were refused since the last call, at most 65,536 of them."""
        return self._refusals.rows()

    def close(self) -> None:
        """Close the sockets; calling it twice does no harm."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
