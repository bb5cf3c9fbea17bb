"""Turns packet descriptors into whole Ethernet frames, one behind the other in one memory, and a table of places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.compiled import int64, kernel
from gryphon.sender.transmit.borrow import borrowed
from gryphon.sender.transmit.checksum import as_words, at_every_byte, copy_and_sum
from gryphon.sender.transmit.ethernet import ethernet_header
from gryphon.sender.transmit.frames import header_words, put_headers
from gryphon.sender.transmit.hops import Hop
from gryphon.sender.transmit.interface import Targets

FRAME_ROOM = 4096
"""No frame begins so near the end of the memory, in bytes: a page, more than any frame of a live run has."""

_FRONT_WORDS = 6
_MOST_TAGS = 2  # which fill them up

PLACE = np.dtype(
    [
        ("offset", "u4"),  # of the frame's first byte in the memory
        ("length", "u2"),  # bytes of the frame
        ("error", "u2"),  # errno, of frames that did not leave:
        ("failed", "u4"),  # so many from this one on
        ("reserved", "u4"),
    ]
)
"""Where one frame lies and what became of it, 16 bytes: ``struct place`` in ``bpf/transmit.bpf.c``."""

LINK = np.dtype(
    [
        ("device", "u4"),  # interface index
        ("largest", "u4"),  # bytes of an IP packet that the device takes
        ("words", "u4"),  # of four bytes, in `front`
        ("front", "u4", (_FRONT_WORDS,)),  # two bytes of nothing, and the Ethernet header
    ]
)
"""What stands in front of each IP header to one target, 36 bytes."""


def links(targets: Targets, hops: Sequence[Hop], largest_frame: int) -> npt.NDArray[np.void]:
    """The way to each target, dtype ``LINK``, frames of at most ``largest_frame`` bytes.

    Raises ``EnvironmentFault`` for more VLAN tags than two.
    """
    table = np.zeros(len(targets), LINK)
    for entry, target, hop in zip(table, targets, hops, strict=True):
        if len(hop.tags) > _MOST_TAGS:
            raise EnvironmentFault(
                f"frames by {hop.device} would carry {len(hop.tags)} VLAN tags, {_MOST_TAGS} are possible: "
                "choose --transmit raw"
            )
        header = ethernet_header(target, hop.source, hop.next_hop, hop.tags)
        entry["device"], entry["words"] = hop.lower, (2 + len(header)) // 4
        entry["largest"] = min(hop.mtu, largest_frame - len(header))
        entry["front"][: entry["words"]] = np.frombuffer(bytes(2) + header, np.uint32)
    return table


class Memory:
    """Bytes that frames are built in, or that payload lies in, as the kernels want them."""

    def __init__(self, buffer: npt.NDArray[np.uint8]) -> None:
        self.bytes = buffer
        self.words = as_words(buffer)
        self.eights = at_every_byte(buffer)


@kernel
def build(
    packets: npt.NDArray[np.void],
    payload: npt.NDArray[np.uint8],
    payload_eights: npt.NDArray[np.uint64],
    destinations: npt.NDArray[np.void],
    ways: npt.NDArray[np.void],
    memory: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint32],
    eights: npt.NDArray[np.uint64],
    places: npt.NDArray[np.void],
    identification: int,
) -> int:
    """Write the frame of each packet into ``memory`` and its place into ``places``; how many packets were taken.

    Every frame has its IP header at a multiple of four bytes. It ends early where the memory (u1, more than
    ``FRAME_ROOM`` bytes) or the table is full, and in front of a packet that goes to another device than the first
    one: so 0 means that the first packet is larger than its way takes. ``payload`` and ``memory`` come in the views
    of ``Memory``, too. ``destinations`` and ``ways`` have a row for each target, dtypes ``DESTINATION`` and ``LINK``;
    packet i has the IPv4 identification of the number ``identification`` + i, never 0.
    """
    packets, destinations, ways, places = borrowed(packets), borrowed(destinations), borrowed(ways), borrowed(places)
    payload, payload_eights = borrowed(payload), borrowed(payload_eights)
    memory, words, eights = borrowed(memory), borrowed(words), borrowed(eights)
    if packets.size == 0:
        return 0
    at = 0  # words
    last = (memory.size - FRAME_ROOM) >> 2
    device = ways[packets[0]["target"]]["device"]
    for i in range(packets.size):
        packet = packets[i]
        to, way = destinations[packet["target"]], ways[packet["target"]]
        length, headers = int64(packet["length"]), header_words(packet, to)
        if at > last or i == places.size or way["device"] != device or 4 * headers + length > way["largest"]:
            return i
        front = int64(way["words"])
        for k in range(front):
            words[np.uint64(at + k)] = way["front"][k]
        start, body = 4 * at + 2, 4 * (at + front + headers)
        # also of what brings its sum along: beside the copy it costs nothing
        payload_sum = copy_and_sum(memory, eights, body, payload, payload_eights, int64(packet["payload"]), length)
        number = (identification + i) % 0xFFFF + 1
        put_headers(words, at + front, packet, to, payload_sum, number)
        place = places[i]
        place["offset"] = start
        place["length"] = body + length - start
        place["error"] = 0
        at = (body + length + 3) >> 2
    return int64(packets.size)
