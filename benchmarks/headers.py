"""Building headers: payload sums that come along against sums made for each packet, `python -m benchmarks.headers`.

Needs no root. Batches of 1,024 packets point at random places of an arena that fits the cache and of one that does not.
"""

from __future__ import annotations

import argparse
import time
from ipaddress import IPv4Address
from typing import Any

import numpy as np

from benchmarks import measure
from gryphon.sender.replay.packet import PACKET
from gryphon.sender.transmit.checksum import as_words, payload_sum
from gryphon.sender.transmit.frames import HEADER_ROOM, destinations, put_headers
from gryphon.sender.transmit.interface import Target

BATCH, BATCHES = 1024, 128
ARENAS = {"64 KiB": 1 << 16, "256 MiB": 1 << 28}
LENGTHS = (100, 1448)


def _build(packets: Any, frames: Any, to: Any, payload: Any, words: Any) -> None:
    for i in range(len(packets)):
        put_headers(frames, i * HEADER_ROOM // 4, packets[i], to, payload_sum(packets[i], payload, words), i + 1)


def run(build: Any, payload: Any, length: int, summed: bool) -> float:
    """Nanoseconds of CPU a packet."""
    packets, frames = np.zeros(BATCH, PACKET), np.zeros(BATCH * HEADER_ROOM // 4, np.uint32)
    packets["length"], packets["summed"] = length, summed
    to, words = destinations([Target(IPv4Address("10.0.0.1"), 80, 0)])[0], as_words(payload)
    places = np.random.default_rng(1).integers(0, payload.size // length, (BATCHES, BATCH)) * length
    spent = 0
    for place in places:
        packets["payload"] = place
        begun = time.thread_time_ns()
        build(packets, frames, to, payload, words)
        spent += time.thread_time_ns() - begun
    return spent / places.size


def main() -> int:
    """Print the median, smallest and largest of several runs for each arena and length."""
    import numba

    from gryphon.sender.gathered import Gathering

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=7)
    chosen = options.parse_args()
    print(measure.environment_line(), flush=True)
    build, rows = numba.njit(error_model="numpy", pipeline_class=Gathering)(_build), []
    for name, size in ARENAS.items():
        payload = np.random.default_rng(2).integers(0, 256, size, dtype=np.uint8)
        for length in LENGTHS:
            run(build, payload, length, True)
            runs = [[run(build, payload, length, summed) for summed in (True, False)] for _ in range(chosen.runs)]
            brought, made = zip(*runs, strict=True)
            ratios = [b / a for a, b in runs]
            cells = [measure.figure(brought), measure.figure(made), measure.figure(ratios, 2)]
            rows.append([f"{length:,} bytes, arena of {name}", *cells])
    print(measure.table(["ns a packet: median (min to max)", "sum comes along", "sum is made", "times"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
