"""IP packets that stand nowhere as a whole: put together from fragments, or found by scapy in an odd link type."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture import odd
from gryphon.sender.capture.columns import FRAME, Array, Data
from gryphon.sender.capture.decode import MALFORMED
from gryphon.sender.capture.fragments import Reassembly
from gryphon.sender.capture.link import RAW


class Copies:
    """Those of one batch, one after the other, and the frames that completed them."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._owners: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, link: int, data: Data, batch: Array, counts: npt.NDArray[np.int64]) -> None:
        """Let scapy look into the frames of a link type."""
        if not odd.readable(link):
            return
        for owner in np.flatnonzero(batch["link"] == link):
            row = batch[owner]
            start, captured = int(row["offset"]), int(row["captured"])
            try:
                packet = odd.ip_packet(link, data[start : start + captured].tobytes())
            except ValueError:
                counts[MALFORMED] += 1
                continue
            if packet:
                self._add(packet, len(packet) + int(row["original"]) - captured, int(row["time_ns"]), int(owner))

    def join(self, data: Data, fragments: Array, reassembly: Reassembly, owners: npt.NDArray[np.int64]) -> None:
        """Take in fragments; ``owners`` are the batch's frames of the frames that they were found in."""
        for row in fragments:
            whole = reassembly.add(data, row)
            if whole is not None:
                self._add(*whole, int(row["time_ns"]), int(owners[row["owner"]]))

    def _add(self, packet: bytes, original: int, time_ns: int, owner: int) -> None:
        self._rows.append((time_ns, len(self._content), len(packet), original, RAW))
        self._owners.append(owner)
        self._content += packet

    def frames(self) -> tuple[Data, Array]:
        """All bytes, and a FRAME row for each packet."""
        return np.frombuffer(bytes(self._content), np.uint8), np.array(self._rows, FRAME)

    def owners(self) -> npt.NDArray[np.int64]:
        return np.array(self._owners, np.int64)
