"""Where the extract goes: a file that appears under its name only when it is whole, or standard output."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.sender.capture.columns import Data


class Output:
    """An open file that counts what is written to it."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.size = 0
        self._descriptor, self._name = descriptor, name

    def write(self, data: Data) -> None:
        """All of the bytes. EnvironmentFault: the disk is full, or refuses otherwise."""
        view = memoryview(data)  # type: ignore[arg-type]  # numpy's stubs know no buffers before Python 3.12
        while len(view):
            try:
                written = os.write(self._descriptor, view)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise EnvironmentFault(f"{self._name} cannot be written: {error.strerror}") from error
            self.size += written
            view = view[written:]


@contextlib.contextmanager
def opened(path: str, inputs: tuple[str, ...], force: bool) -> Iterator[Output]:
    """The output ``path`` (``-``: standard output), which keeps its old content if what follows fails.

    InputFault: it is one of the inputs, exists already (unless ``force``), or cannot be made.
    """
    if not path:
        raise InputFault("no output file was named: give one with -o, or - for standard output")
    if path == "-":
        yield Output(_standard_output(inputs), "standard output")
        return
    try:
        target = Path(path).resolve()  # a symbolic link stays, what it leads to is replaced
        _check(path, target, inputs, force)
        descriptor, name = tempfile.mkstemp(prefix=".gryphon-extract-", dir=target.parent)
    except OSError as error:
        raise InputFault(f"{path} cannot be written: {error.strerror}") from error
    except RuntimeError as error:  # pathlib's word for symbolic links in a circle, before Python 3.13
        raise InputFault(f"{path} cannot be written: {os.strerror(errno.ELOOP)}") from error
    temporary = Path(name)
    try:
        with _interruptible():
            yield Output(descriptor, path)
            _move(descriptor, temporary, target, path, force)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _standard_output(inputs: tuple[str, ...]) -> int:
    if sys.stdout is None or sys.stdout.closed:
        raise InputFault("standard output is closed: name a file with -o")
    if os.isatty(1):
        raise InputFault("standard output is a terminal: name a file with -o, or pipe it into another program")
    status = os.fstat(1)
    if stat.S_ISREG(status.st_mode) and any(os.path.samestat(status, each) for each in _statuses(inputs)):
        raise InputFault("standard output is one of the captures that are read: send it to another file")
    return 1


def _check(path: str, target: Path, inputs: tuple[str, ...], force: bool) -> None:
    """Everything that can be known before any capture is read."""
    if not target.parent.is_dir():
        raise InputFault(f"{path} cannot be written: there is no directory {target.parent}")
    if not target.exists():
        return
    status = target.stat()
    if any(os.path.samestat(status, each) for each in _statuses(inputs)):
        raise InputFault(f"{path} is one of the captures that are read: name another file with -o")
    if not stat.S_ISREG(status.st_mode):
        raise InputFault(f"{path} is not a file: name one with -o, or - for standard output")
    if not force:
        raise InputFault(f"{path} exists already: name another file with -o, or overwrite it with --force")


def _statuses(inputs: tuple[str, ...]) -> Iterator[os.stat_result]:
    for name in inputs:
        with contextlib.suppress(OSError):  # whoever reads it says what is wrong with it
            yield os.fstat(0) if name == "-" else Path(name).stat()


def _move(descriptor: int, temporary: Path, target: Path, path: str, force: bool) -> None:
    """Give the whole file its name, and the permissions that any new file gets."""
    mask = os.umask(0)
    os.umask(mask)
    try:
        os.fchmod(descriptor, 0o666 & ~mask)
        if not force and target.exists():
            raise InputFault(f"{path} exists by now: name another file with -o, or overwrite it with --force")
        temporary.replace(target)
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does, so that nothing stays behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
