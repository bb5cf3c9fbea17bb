"""A process of ours that does a piece of work and tells how it ended."""

from __future__ import annotations

import logging
import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from gryphon.controller.errors import EnvironmentFault, Fault
from gryphon.controller.logs import FILE_ONLY

log = logging.getLogger("gryphon")


class Bug(Exception):
    """An error of our own in one of the processes; the log has its traceback."""


class Process:
    """A copy of this process, made to do one thing.

    Attributes:
        pipe: becomes readable when it has something to tell.
    """

    def __init__(self, work: Callable[[], object], others: Sequence[Process]) -> None:
        """Start it; what ``work`` gives, or the ``Fault`` it raises, ``result`` has. It must be possible to pickle."""
        self.pipe, writing = os.pipe()
        self._words = bytearray()
        self._pid = os.fork()
        if not self._pid:
            _do(work, writing, [self.pipe, *(other.pipe for other in others)])
        os.close(writing)

    def has_ended(self) -> bool:
        """Take what has come through its pipe; whether that was all."""
        piece = os.read(self.pipe, 1 << 20)
        self._words += piece
        return not piece

    def result(self) -> object:
        """What its work gave; raises its ``Fault``, ``EnvironmentFault`` where it was killed, or ``Bug``."""
        if not self._words:
            raise EnvironmentFault(
                f"one of the replaying processes {self._fate()}, out of memory perhaps: the run was ended, and its "
                "figures would mean nothing"
            )
        words = pickle.loads(self._words)
        if isinstance(words, Bug):
            log.error("%s", words, extra=FILE_ONLY)
            raise Bug(str(words).splitlines()[0])
        if isinstance(words, BaseException):
            raise words
        return words

    def _fate(self) -> str:
        """How it ended without a word."""
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def dismiss(self, what: str, patience_s: float) -> None:
        """Close one beside the run, which was told to stop; where it had ended by a fault, the log has that."""
        until = time.monotonic() + patience_s
        while select.select([self.pipe], [], [], max(until - time.monotonic(), 0))[0]:
            if not self.has_ended():
                continue
            try:
                self.result()
            except (Fault, Bug) as fault:
                log.warning("%s had stopped by itself: %s", what, fault)
            break
        self.close(max(until - time.monotonic(), 0))

    def close(self, patience_s: float = 10.0) -> None:
        """Wait for it, which was told to stop; then end it."""
        os.close(self.pipe)
        until = time.monotonic() + patience_s
        while self._pid and not os.waitpid(self._pid, os.WNOHANG)[0]:
            if time.monotonic() > until:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                break
            time.sleep(0.01)
        self._pid = 0


def _do(work: Callable[[], object], writing: int, not_ours: Sequence[int]) -> NoReturn:
    """In the new process: do the work, tell how it ended, and never return to what this process is a copy of."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # they are for the parent, which tells us
        for pipe in not_ours:
            os.close(pipe)
        try:
            words: Any = work()
        except Fault as fault:
            words = fault
        except BaseException as error:
            words = Bug(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
        with os.fdopen(writing, "wb") as pipe_file:
            pipe_file.write(pickle.dumps(words))
    finally:
        os._exit(0)


def private_bytes() -> int:
    """Memory that this process shares with no other; 0 where the kernel does not say."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
