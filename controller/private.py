"""A directory of this user's alone, for what is kept from one start to the next: nobody else may put code there."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path


def private_directory(name: str) -> Path | None:
    """``~/.cache/gryphon/NAME``, made if need be; None: nowhere safe, or nowhere to write."""
    directory = Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".cache" / "gryphon" / name
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(directory)  # what is in use is never among the oldest, which are removed
        return directory if _private(directory) else None
    except OSError:
        return None


def _private(directory: Path) -> bool:
    """Whether nobody but this user and root may write to the directory or swap a parent of it, links followed."""
    directory = directory.resolve(strict=True)
    for part in (directory, *directory.parents):
        status = part.stat()
        if status.st_uid not in (0, os.geteuid()):
            return False
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
            return False
    return directory.stat().st_uid == os.geteuid()
