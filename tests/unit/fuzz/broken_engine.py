"""An engine whose reader is broken, in the way that the environment names: every one has to be found."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable

from gryphon.controller.errors import InputFault
from tests.fuzz.engines import Job
from tests.fuzz.harness import Harness, Shared


def _raises(paths: list[str], *_: object) -> None:
    raise IndexError("of a kernel")


def _speaks_in_lines(paths: list[str], *_: object) -> None:
    raise InputFault(f"{paths[0]}\nis damaged")


def _names_no_file(paths: list[str], *_: object) -> None:
    raise InputFault("damaged")


def _crashes(paths: list[str], *_: object) -> None:
    ctypes.string_at(1)


def _hangs(paths: list[str], *_: object) -> None:
    while True:
        pass


def _takes_memory(paths: list[str], *_: object) -> None:
    bytearray(1 << 30)


def _works(paths: list[str], *_: object) -> None:
    raise InputFault(f"{paths[0]} is no capture")


READERS: dict[str, Callable[..., None]] = {
    "IndexError": _raises,
    "sentence is not one line": _speaks_in_lines,
    "sentence is not one line that names the file": _names_no_file,
    "SIGSEGV": _crashes,
    "SIGPROF": _hangs,
    "MemoryError": _takes_memory,
    "": _works,
}

if __name__ == "__main__":
    job = Job(**json.loads(sys.argv[1]))
    harness = Harness(
        READERS[os.environ["GRYPHON_BROKEN"]], Shared(job.input_fd, job.counter_fd), job.finds, job.engine
    )
    harness.limit_memory()
    if harness.executions == 0:
        harness.run(b"the input", None)
