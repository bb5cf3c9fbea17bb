"""The fast transmitter: whole frames from XDP to the device, past the host's stack, thousands in one system call."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gryphon.bpf import capabilities, loader
from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.transmit import xdp_device
from gryphon.sender.transmit.frames import destinations
from gryphon.sender.transmit.hops import Hop
from gryphon.sender.transmit.interface import SendError, Targets
from gryphon.sender.transmit.refusals import Refusals, errno_name
from gryphon.sender.transmit.wire import Memory, build, links
from gryphon.sender.transmit.xdp_program import LARGEST_FRAME, PLACES, XdpProgram

NOT_SENT = "xdp_not_sent"
"""The name in ``errors`` of frames that the kernel or the driver did not take."""

_BACK_PRESSURE = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
_QUEUE_FULL_WAIT_S = 0.0001  # nothing tells when a device's ring has room again


def why_not(hops: Sequence[Hop]) -> str | None:
    """Why this host cannot send to these hops from XDP, in one sentence; None where it can, or may. Sends nothing."""
    lacking = capabilities.missing(capabilities.effective())
    if lacking:
        return f"frames from XDP need {' and '.join(lacking)}, which this process lacks: {xdp_device.INSTEAD}"
    try:
        loader.find_bcc()
    except EnvironmentFault as fault:
        return str(fault)
    return xdp_device.why_not(hops)


class XdpTransmitter:
    """A ``Transmitter`` from XDP. Packets pass neither routing nor firewall, and need the next hops beforehand.

    The kernel tells what became of such frames to its tracepoints alone, where the program listens: after a call it is
    known of every frame whether the driver took it. What a full ring did not take is back-pressure; what the driver
    refused is counted, and TCP sends it again. Where a driver refuses the first frames of all, the run ends.
    """

    def __init__(
        self, targets: Targets, payload: npt.NDArray[np.uint8], hops: Sequence[Hop], batch: int = 1024
    ) -> None:
        """Load the program and prepare the devices. Where the same host intercepts, the interception comes first.

        ``payload`` (u1, contiguous) is the script's arena that packets point into; it is read at every ``send`` and
        not copied. ``hops`` has one for each target. ``batch`` is the most frames of one system call. Raises
        ``EnvironmentFault``.
        """
        self._targets = list(targets)
        self._payload = Memory(np.ascontiguousarray(payload, np.uint8).view(np.ndarray))
        self._destinations = destinations(targets)
        self._batch = min(batch, PLACES)
        self._identification = 0
        self._device = 0
        self._pending = 0  # frames built and not sent yet, from the first place on
        self._ahead = 0  # packets that they come from, not reported as taken yet
        self._not_sent = 0
        self._why = ""
        self._refusals = Refusals(self._targets)
        self.follow(hops)
        self._program = XdpProgram()
        self._memory = Memory(self._program.memory)
        try:
            xdp_device.prepare(self._program, hops)
            self._build(np.zeros(0, PACKET))
        except BaseException:
            self.close()
            raise

    def follow(self, hops: Sequence[Hop]) -> None:
        """Send to these hops from now on, one for each target."""
        self._links = links(self._targets, hops, LARGEST_FRAME)
        self._names = {hop.lower: hop.device for hop in hops}

    def send(self, packets: Packets) -> int:
        """Take packets in order and return how many were taken; see ``Transmitter``.

        Of those that were not taken, some may have left: offered again, only the others are sent.
        """
        taken = 0
        while self._flush():
            taken += self._ahead
            self._ahead = 0
            if taken >= packets.size:
                break
            batch = packets[taken : taken + self._batch]
            self._ahead = self._pending = self._build(batch)
            self._device = int(self._links["device"][batch[0]["target"]])
            if not self._ahead:
                self._refusals.add(errno.EMSGSIZE, batch[0])
                taken += 1
        return taken

    def _build(self, packets: Packets) -> int:
        """Build frames to one device until the memory is full; of how many packets."""
        built = build(
            packets,
            self._payload.bytes,
            self._payload.eights,
            self._destinations,
            self._links,
            self._memory.bytes,
            self._memory.words,
            self._memory.eights,
            self._program.places,
            self._identification,
        )
        self._identification = (self._identification + built) % 0xFFFF
        return built

    def _flush(self) -> bool:
        """Send what has been built; False when some of it has to wait."""
        while self._pending:
            number = self._program.run(self._pending, self._device)
            if number and number != errno.EINTR and number not in _BACK_PRESSURE:
                raise OSError(number, errno_name(number))
            reached, judged, failed = self._program.outcome()
            if number == 0 and failed == 0 and judged == self._pending:
                self._pending = 0  # the usual case
                break
            again = [self._program.places[reached : self._pending]]
            if judged < reached:
                self._lost(reached - judged, "unseen by its driver")
            if failed:
                again.insert(0, self._failures(reached))
            self._check()
            rest = np.concatenate(again)
            self._program.places[: rest.size] = rest
            self._pending = rest.size
            if number in _BACK_PRESSURE or (again[0].size and failed):
                return False
        return True

    def _failures(self, reached: int) -> npt.NDArray[np.void]:
        """Count what the driver refused; the places of what is worth another try."""
        places = self._program.places[:reached]
        again = [places[:0]]
        for at in np.flatnonzero(places["error"]):
            failed = places[at : at + int(places[at]["failed"])]
            number = int(places[at]["error"])
            if number in _BACK_PRESSURE:
                again.append(failed.copy())
            else:
                self._lost(failed.size, errno_name(number))
        together = np.concatenate(again)
        together["error"] = 0
        return together

    def _lost(self, frames: int, why: str) -> None:
        """Count frames that did not leave, and keep the first reason."""
        self._not_sent += frames
        self._why = self._why or f"{xdp_device.refusal(self._names.get(self._device, 'the device'))} ({why})"

    def _check(self) -> None:
        """End the run where no frame ever left: as a million timeouts it would say nothing."""
        if self._not_sent and not self._program.left:
            raise EnvironmentFault(self._why)

    def wait_writable(self, timeout_s: float) -> None:
        """Give the device time to empty its ring, at most ``timeout_s`` seconds."""
        if self._pending:
            time.sleep(min(timeout_s, _QUEUE_FULL_WAIT_S))

    def errors(self) -> dict[str, SendError]:
        """Packets refused since the start, by the name of the errno, and ``NOT_SENT``."""
        lost = {NOT_SENT: SendError(self._not_sent, self._why)} if self._not_sent else {}
        return self._refusals.errors() | lost

    def refused_rows(self) -> npt.NDArray[np.uint32]:
        """Rows whose packets were refused since the last call, at most 65,536 of them."""
        return self._refusals.rows()

    def close(self) -> None:
        """Let go of the program, with all that hangs on it; calling it twice does no harm."""
        self._program.close()
