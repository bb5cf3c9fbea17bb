"""What a lab leaves and how it goes: namespaces, the processes and pinned programs of each, its directory."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from gryphon.controller.place import BPFFS, LOCKS
from gryphon.lab.needs import tool
from gryphon.lab.processes import NAMESPACES, end, processes_in, start_time
from gryphon.lab.wiring import HOSTS

KEPT = "gryphon-"
"""The prefix of the one lab that outlives its maker (`gryphon demo --keep`)."""

_OWNED = re.compile(r"gl(?P<pid>\d+)s(?P<start>\d+)n\d+-")


def owned_prefix(pid: int, number: int) -> str:
    """The prefix of a process's lab. Its start is in it, since a process id alone may come again."""
    return f"gl{pid}s{start_time(pid)}n{number}-"


def directory(prefix: str) -> Path:
    """Where a lab has its files."""
    return Path(tempfile.gettempdir()) / (prefix + "lab")


def sweep() -> list[str]:
    """Removes the labs whose owner is dead, and gives back their prefixes."""
    stale = [prefix for prefix in sorted(_prefixes()) if not _has_owner(prefix)]
    for prefix in stale:
        remove(prefix)
    return stale


def remove(prefix: str) -> bool:
    """Ends every process in the lab's hosts and removes hosts and files; False when there was nothing."""
    there = set(_namespaces())
    names = [prefix + host for host in HOSTS if prefix + host in there]
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # another lab's sweep was faster
            end(processes_in(name))
            _unpin((NAMESPACES / name).stat().st_ino)
        subprocess.run([tool("ip"), "netns", "delete", name], check=False, capture_output=True)
    files = directory(prefix)
    if files.is_dir() and not files.is_symlink():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(files)
        return True
    return bool(names)


def _unpin(namespace: int) -> None:
    """Removes what a killed intercept left pinned for a namespace, by its inode.

    It would not go with the namespace, and a later namespace may be given the same inode.
    """
    for pins in (BPFFS / "gryphon").glob(f"{namespace}-*"):
        for pin in pins.iterdir():
            pin.rmdir() if pin.is_dir() else pin.unlink()
        pins.rmdir()
    for lock in LOCKS.glob(f"{namespace}-*.lock"):
        lock.unlink()


def _namespaces() -> list[str]:
    return sorted(entry.name for entry in NAMESPACES.iterdir()) if NAMESPACES.is_dir() else []


def _prefixes() -> set[str]:
    names = [*_namespaces(), *(path.name for path in Path(tempfile.gettempdir()).glob("gl*-lab"))]
    return {match[0] for name in names if (match := _OWNED.match(name))}


def _has_owner(prefix: str) -> bool:
    match = _OWNED.match(prefix)
    return match is not None and start_time(int(match["pid"])) == int(match["start"])
