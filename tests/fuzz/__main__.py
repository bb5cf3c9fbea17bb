"""``python -m tests.fuzz``: every engine for a while, or files once. Exit status 1: something was found."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from tests.fuzz.engines import ENGINES
from tests.fuzz.supervise import Supervisor

_FOLDER = Path(__file__).parents[2] / "build" / "fuzz"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=600, help="of all engines together, large files apart (default 600)"
    )
    parser.add_argument("--engine", choices=("all", *ENGINES), default="all")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: one a core)"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="of the random numbers")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="for finds, corpus and kernels")
    parser.add_argument("files", nargs="*", type=Path, help="read these once, as plain Python, instead of fuzzing")
    return parser.parse_args()


def main() -> int:
    options = _options()
    if options.files:
        from tests.fuzz.replay import replay

        return replay(options.files)
    engines = list(ENGINES) if options.engine == "all" else [options.engine]
    supervisor = Supervisor(options.folder, options.jobs, options.seed)
    print(f"seed {options.seed}, {options.jobs} processes", flush=True)
    parts = len(engines) - 1 if options.engine == "all" else 1  # large files take what they take
    found = [supervisor.run(engine, options.seconds / parts) for engine in engines]
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
