"""One process of an engine: input into a file that outlives it, limits, execution, finds to disk."""

from __future__ import annotations

import faulthandler
import hashlib
import mmap
import os
import resource
import signal
import struct
import time
import warnings
from pathlib import Path
from typing import Any

from tests.fuzz.find import Find
from tests.fuzz.reader import set_batches

SECONDS = 2.0
SECONDS_PER_BYTE = 1e-6
"""Processor time of one execution of compiled kernels; plain Python has PLAIN_FACTOR times as much."""
PLAIN_FACTOR = 50

ROOM = 256 << 20
ROOM_PER_BYTE = 16
"""Bytes of memory that reading a file may take, at most: docs/operations.md says so."""

_KEPT = 3
"""Inputs that are kept of one kind of find."""

_COUNTERS = struct.Struct("<QQQ")  # executions, recordings, finds


class Shared:
    """What the parent sees of an engine's process, also after its death: the last input, and counters."""

    def __init__(self, input_fd: int, counter_fd: int) -> None:
        self.input_fd, self.counter_fd = input_fd, counter_fd
        self._map = mmap.mmap(counter_fd, _COUNTERS.size)

    @classmethod
    def make(cls) -> Shared:
        counters = os.memfd_create("counters", 0)
        os.ftruncate(counters, _COUNTERS.size)
        return cls(os.memfd_create("input", 0), counters)

    def write(self, data: bytes) -> None:
        os.ftruncate(self.input_fd, len(data))
        os.pwrite(self.input_fd, data, 0)

    def read(self) -> bytes:
        return os.pread(self.input_fd, os.fstat(self.input_fd).st_size, 0)

    def count(self, executions: int, recordings: int, finds: int) -> None:
        _COUNTERS.pack_into(self._map, 0, executions, recordings, finds)

    def counted(self) -> tuple[int, int, int]:
        return _COUNTERS.unpack_from(self._map)


def keep(folder: Path, engine: str, key: str, text: str, data: bytes) -> None:
    """Write a find: its input, and beside it what it did."""
    digest = hashlib.blake2b(data, digest_size=5).hexdigest()
    words = "".join(letter if letter.isalnum() else "-" for letter in key)[:60]
    path = folder / f"{engine}-{words}-{digest}"
    path.with_suffix(".bin").write_bytes(data)
    path.with_suffix(".txt").write_text(f"{key}\n\n{text}\n")


class Harness:
    """Executes inputs, counts them and keeps what was found."""

    def __init__(self, load: Any, shared: Shared, folder: Path, engine: str, factor: float = 1) -> None:
        warnings.simplefilter("error")  # an overflow of numpy, say
        warnings.simplefilter("ignore", ResourceWarning)  # files that end with the last reference to them
        faulthandler.enable()
        faulthandler.register(signal.SIGPROF, chain=True)  # where it hung; then the signal ends the process
        from tests.fuzz.oracle import Oracle  # imports the reader, whose build the caller has chosen

        self._oracle = Oracle(load)
        self._shared, self._folder, self._engine, self._factor = shared, folder, engine, factor
        self._path = f"/proc/{os.getpid()}/fd/{shared.input_fd}"
        self._kept: dict[str, int] = {}
        self.executions, self.recordings, self.finds = shared.counted()

    def limit_memory(self) -> None:
        """From here on, what asks for more than ROOM is a find: the inputs are small."""
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def run(
        self, data: bytes, batch: int | None, *, timed: bool = True, twice: bool = False, lenient: bool = False
    ) -> None:
        """One execution, with batches of so many frames; ``twice``: with the usual ones, too, to the same end."""
        self.executions += 1  # counted before: an input that ends the process is not tried again
        self._shared.count(self.executions, self.recordings, self.finds)
        self._shared.write(data)
        set_batches(batch)
        if timed:
            allowed = (SECONDS + SECONDS_PER_BYTE * len(data)) * self._factor
            signal.setitimer(signal.ITIMER_PROF, allowed)
        try:
            result = self._oracle.check(self._path, lenient)
            self.recordings += not isinstance(result, str)
            if twice:
                set_batches(None)
                if not self._oracle.same(result, self._oracle.check(self._path, lenient)):
                    raise Find("batches change the result", f"{batch} frames at once: {result}")
        except Find as find:
            self._found(find, data)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self._shared.count(self.executions, self.recordings, self.finds)

    def measured(self, name: str, data: bytes) -> None:
        """One execution of a large input, whose peak of memory is measured."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now
        before = _resident("VmRSS")
        self.run(data, None)
        taken, allowed = _resident("VmHWM") - before, ROOM + ROOM_PER_BYTE * len(data)
        print(f"{name}: {len(data)} bytes, {taken} bytes of memory", flush=True)
        if taken > allowed:
            self._found(Find(f"memory of {name}", f"{taken} bytes, {allowed} are allowed"), data)

    def _found(self, find: Find, data: bytes) -> None:
        self.finds += 1
        seen = self._kept[find.key] = self._kept.get(find.key, 0) + 1
        if seen <= _KEPT:
            keep(self._folder, self._engine, find.key, str(find), data)


def _resident(which: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {which}")


def until(seconds: float) -> Any:
    """A question that is answered with whether the time is not over."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
