"""A kept input once more, as plain Python, with the whole traceback of what it does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.fuzz.find import Find

_PLAIN = {"NUMBA_DISABLE_JIT": "1", "NUMBA_BOUNDSCHECK": "0"}


def replay(files: list[Path]) -> int:
    """Read the files one by one; gives 1 when one of them is a find. Starts Python again without a compiler."""
    seeds = [file for file in files if file.name.startswith("channel-")]
    if seeds:
        return _replay_channel(seeds)
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        os.execve(sys.executable, [sys.executable, "-m", "tests.fuzz", *map(str, files)], {**os.environ, **_PLAIN})
    from tests.fuzz import reader

    load = reader.plain()
    from tests.fuzz.oracle import Oracle  # imports the reader, whose build is chosen now

    oracle = Oracle(load)
    status = 0
    for file in files:
        try:
            result = oracle.check(str(file))
            print(f"{file}: {result if isinstance(result, str) else 'a recording'}")
        except Find as find:
            status = 1
            print(f"{file}: {find.key}\n{find}")
    return status


def _replay_channel(files: list[Path]) -> int:
    """What the channel's engine keeps is a seed."""
    from tests.fuzz.ends import attack, known_nonce

    with known_nonce():
        for file in files:
            granted = attack(int(file.read_text()))
            print(f"{file}: {'a grant' if granted else 'no grant'}")
    return 0
