"""Files that are whole or not there: written aside, and given their name when all of it is on the disk."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path


def write_whole(path: Path | str, content: str | bytes) -> None:
    """Write a file; where that fails, what had the name before still has it, or nothing has.

    Raises:
        OSError: it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    target = Path(path).resolve()  # a symbolic link stays, what it leads to is replaced
    before = _status(target)
    if before is not None and not stat.S_ISREG(before.st_mode):
        target.write_bytes(data)  # a device or a pipe has no content to lose
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=".gryphon-", dir=target.parent)
    except PermissionError:
        if before is None:
            raise
        target.write_bytes(data)  # this file may be written, but its directory may not
        return
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _as_before(descriptor, before)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _as_before(descriptor: int, before: os.stat_result | None) -> None:
    """The owner and the permissions of the file that is replaced, or those that any new file gets."""
    if before is None:
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(descriptor, 0o666 & ~mask)
        return
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
