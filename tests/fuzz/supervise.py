"""The parent of an engine's processes: starts them again when they die, and tells what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.engines import Job
from tests.fuzz.harness import Shared, keep

_COMPILED = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_DISABLE_JIT": "0"}
_PLAIN = {"NUMBA_BOUNDSCHECK": "0", "NUMBA_DISABLE_JIT": "1"}
_MOST_DEATHS = 20
_GRACE = 120.0
"""Seconds without an execution after which a process hangs in a way that its own timer does not see."""
_TOLD_EVERY = 30.0
_GIVES = {"channel": "grant"}
"""What an execution comes to that got through, where it is no recording."""


@dataclass
class _Child:
    """One process, and what was seen of it."""

    process: subprocess.Popen[bytes]
    shared: Shared
    log: Path
    seen: int = 0
    since: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs engines in ``folder``; the finds are in its folder ``finds``."""

    def __init__(self, folder: Path, jobs: int, seed: int, module: str = "tests.fuzz.engines") -> None:
        self._folder, self._jobs, self._seed, self._module = folder, jobs, seed, module
        self._deaths = self._started = 0
        for name in ("finds", "corpus", "kernels", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def run(self, engine: str, seconds: float, executions: int = 0) -> int:
        """One engine for a while; gives how often it found something, and says so."""
        self._deaths = 0
        if engine not in ("channel", "coverage"):
            self._wait([self._start("warm", 0, Shared.make())], "warm", time.monotonic())
        begun = time.monotonic()
        end = begun + seconds
        children = [
            self._start(engine, seconds, Shared.make(), executions)
            for _ in range(1 if engine == "large" else self._jobs)
        ]
        self._wait(children, engine, end)
        took = time.monotonic() - begun
        done, recordings, finds = (
            sum(column) for column in zip(*(child.shared.counted() for child in children), strict=True)
        )
        finds += self._deaths
        print(
            f"{engine}: {done} executions in {took:.0f} s ({done / took:.0f}/s), "
            f"{recordings} gave a {_GIVES.get(engine, 'recording')}, {finds} finds"
            + (f", kept in {self._folder / 'finds'}" if finds else ""),
            flush=True,
        )
        return finds

    def _start(self, engine: str, seconds: float, shared: Shared, executions: int = 0) -> _Child:
        self._started += 1
        fds = (shared.input_fd, shared.counter_fd)
        job = Job(engine, seconds, executions, self._seed + 1000 * self._started, str(self._folder), *fds)
        log = self._folder / "logs" / f"{engine}-{self._started}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", self._module, json.dumps(asdict(job))],
                env={**os.environ, **(_PLAIN if engine == "coverage" else _COMPILED)},
                pass_fds=fds,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return _Child(process, shared, log)

    def _wait(self, children: list[_Child], engine: str, end: float) -> None:
        """Until all have ended; one that dies is replaced while there is time."""
        told = time.monotonic()
        try:
            while any(child.process.returncode is None for child in children):
                time.sleep(0.2)
                for index, child in enumerate(children):
                    if child.process.returncode is None and self._has_died(child, engine):
                        left = end - time.monotonic()
                        if left > 1 and self._deaths <= _MOST_DEATHS:
                            children[index] = self._start(engine, left, child.shared)
                if time.monotonic() - told > _TOLD_EVERY:
                    told = time.monotonic()
                    print(f"{engine}: {_sums(children)}", flush=True)
        finally:
            for child in children:
                child.process.kill()
                child.process.wait()

    def _has_died(self, child: _Child, engine: str) -> bool:
        """Whether a process ended otherwise than at the end of its job: then its last input is a find."""
        status = child.process.poll()
        executions = child.shared.counted()[0]
        now = time.monotonic()
        if executions != child.seen:
            child.seen, child.since = executions, now
        if status is None and now - child.since > _GRACE:
            child.process.kill()
            status = child.process.wait()
        if status in (None, 0):
            return False
        self._deaths += 1
        key = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        keep(self._folder / "finds", engine, key, _tail(child.log), child.shared.read())
        return True


def _tail(log: Path) -> str:
    return log.read_bytes()[-4000:].decode(errors="replace")


def _sums(children: list[_Child]) -> str:
    counted: list[Any] = [child.shared.counted() for child in children]
    executions, recordings, finds = (sum(column) for column in zip(*counted, strict=True))
    return f"{executions} executions, {recordings} recordings, {finds} finds so far"
