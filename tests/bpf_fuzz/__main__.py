"""``python -m tests.bpf_fuzz``: so many frames to the programs and to the rules. Exit status 1: they disagree."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from random import Random

from tests.bpf_fuzz import corpus
from tests.bpf_fuzz.compare import Comparison
from tests.bpf_fuzz.mutate import Mutator

BATCH = 512
"""Frames between two looks into the ring, which holds all their records."""
_TURN = 50_000
"""Frames of one random sequence, after which a process tells how far it is."""
_FINDS = Path(__file__).parents[2] / "build" / "fuzz-bpf"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bpf_fuzz", description=__doc__)
    parser.add_argument(
        "--packets", type=int, default=10_000_000, help="frames, each to both hooks (default 10 million)"
    )
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: one a core)"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="of the random numbers")
    return parser.parse_args()


@cache
def _comparison() -> Comparison:
    """This process's own."""
    return Comparison()


def turn(seed: int, packets: int) -> tuple[int, Counter[str], list[str]]:
    """One random sequence; how many frames, what they were, and what was found."""
    comparison = _comparison()
    comparison.kinds.clear()
    found = comparison.run(packets, BATCH, Mutator(corpus.seeds(), Random(seed)).next)
    return (
        packets,
        Counter({kind.value: count for kind, count in comparison.kinds.items()}),
        [str(one) for one in found],
    )


def main() -> int:
    chosen = _options()
    turns = [min(_TURN, chosen.packets - begun) for begun in range(0, chosen.packets, _TURN)]
    print(f"seed {chosen.seed}, {chosen.jobs} processes, {chosen.packets:,} frames to both hooks", flush=True)
    begun, told, done = time.monotonic(), 0.0, 0
    kinds: Counter[str] = Counter()
    finds: list[str] = []
    with ProcessPoolExecutor(chosen.jobs) as pool:
        futures = [pool.submit(turn, chosen.seed + number, packets) for number, packets in enumerate(turns)]
        for future in as_completed(futures):
            packets, seen, found = future.result()
            done += packets
            kinds += seen
            finds += found
            if found or time.monotonic() - told > 30 or done == chosen.packets:
                told = time.monotonic()
                print(
                    f"{done:,} frames in {told - begun:.0f} s: {_shares(kinds)}, {len(finds)} differences", flush=True
                )
            if len(finds) >= 20:
                pool.shutdown(cancel_futures=True)
                break
    return _tell(finds)


def _shares(kinds: Counter[str]) -> str:
    return ", ".join(f"{kinds[name] / kinds.total():.0%} {name}" for name in ("recorded", "malformed", "passed"))


def _tell(finds: list[str]) -> int:
    if not finds:
        return 0
    _FINDS.mkdir(parents=True, exist_ok=True)
    (_FINDS / "differences.txt").write_text("\n\n".join(finds) + "\n")
    print(f"{finds[0]}\n{len(finds)} differences are in {_FINDS / 'differences.txt'}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
