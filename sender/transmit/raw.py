"""The transmitter for every host: whole IP packets through raw sockets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.transmit.batch import BatchTransmitter
from gryphon.sender.transmit.interface import Targets
from gryphon.sender.transmit.sockets import open_raw, socket_name


class RawTransmitter(BatchTransmitter):
    """A ``Transmitter`` over raw sockets (IP_HDRINCL, IPV6_HDRINCL); packets pass the host's routing and firewall."""

    def __init__(self, targets: Targets, payload: npt.NDArray[np.uint8], batch: int = 1024) -> None:
        """Open the sockets and load the kernels. Raises ``EnvironmentFault``.

        ``payload`` (u1, contiguous) is the script's arena; ``batch`` is the most packets of one system call.
        """
        super().__init__(targets, payload, batch, open_raw, [socket_name(target) for target in targets])
