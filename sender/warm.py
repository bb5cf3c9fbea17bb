"""Compile every kernel of a run before it begins, and say so when that takes a while.

``python -m gryphon.sender.warm`` does it at installation, so that no user waits for it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from gryphon.controller.record import RECORD
from gryphon.sender.compiled import cache_directory, forget_old_caches
from gryphon.sender.replay.addresses import BLOCK
from gryphon.sender.replay.engine import Engine, Plan
from gryphon.sender.replay.script import compile_script

_REPLAY = Path(__file__).parent / "replay"


def is_compiled() -> bool:
    """Whether the engine's kernels stand in this user's cache."""
    directory = cache_directory(_REPLAY)
    return directory is not None and any(directory.rglob("engine._take_records*.nbc"))


def _smallest_script() -> SimpleNamespace:
    """A recording of one session with nothing to say."""
    from gryphon.sender.capture.recording import MESSAGE, SESSION

    sessions = np.zeros(1, SESSION)
    sessions["server_port"] = 80
    return SimpleNamespace(sessions=sessions, messages=np.zeros(1, MESSAGE), payload=np.zeros(1, np.uint8))


def compile_engine() -> None:
    """Run every kernel of the engine once, on a user that nobody hears of."""
    blocks = np.zeros(1, BLOCK)
    blocks["count"] = 1
    engine = Engine(
        compile_script(_smallest_script(), {80: 0}, 1.0),
        Plan(users=1, rate=1.0, blocks=blocks, services=[0], generation=1),
        epoch_ns=0,
        batch=64,
    )
    engine.step(0, np.zeros(1, RECORD))
    engine.idle_ns(0)
    engine.abort(0)


def warm_up() -> None:
    """Compile what is not compiled yet; a word about it on standard error, since the first time takes seconds."""
    cold = not is_compiled()
    if cold:
        print("compiling the replay engine, once for this version ...", file=sys.stderr, flush=True)
    begun = time.monotonic()
    compile_engine()
    if cold:
        print(f"compiled in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        for package in ("capture", "replay", "transmit"):
            forget_old_caches(Path(__file__).parent / package)


def main() -> None:
    """Compile the kernels of the engine, the capture reader and the raw transmitter."""
    warm_up()


if __name__ == "__main__":
    main()
