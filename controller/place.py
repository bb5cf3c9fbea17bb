"""Where an interception leaves its traces: the bpffs directory of its pins, and the lock that says it is running."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import socket
import sys
from pathlib import Path

from gryphon.bpf import syscall
from gryphon.bpf.maps import Map
from gryphon.controller.errors import EnvironmentFault

BPFFS = Path("/sys/fs/bpf")
LOCKS = Path("/run/gryphon")
_SO_NETNS_COOKIE = 71
_BPFFS_MAGIC = 0xCAFE4A11  # include/uapi/linux/magic.h

log = logging.getLogger(__name__)
_libc = ctypes.CDLL(None, use_errno=True)


class Place:
    """One hook of one interface of one network namespace.

    Attributes:
        directory: of the pins, named <network namespace>-<interface index>-<hook>.
    """

    def __init__(self, interface: str, index: int, hook: str) -> None:
        self.interface = interface
        self.index = index
        self.hook = hook
        key = f"{network_namespace()}-{index}-{hook}"
        self.directory = BPFFS / "gryphon" / key
        self._lock_path = LOCKS / f"{key}.lock"
        self._lock = -1
        self._namespace = f"netns_{_namespace_cookie()}"

    def lock(self) -> None:
        """Says that an intercept runs here, until ``unlock()`` or the end of the process.

        Raises:
            EnvironmentFault: one runs already.
        """
        while self._lock < 0:
            descriptor = self._open_lock()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                os.close(descriptor)
                raise EnvironmentFault(
                    f"Another intercept (process {owner or 'unknown'}) is running on the {self.hook} hook of "
                    f"{self.interface}: stop it first."
                ) from None
            if _is_at(descriptor, self._lock_path):
                self._lock = descriptor
            else:  # Its holder removed the file between our opening and locking it.
                os.close(descriptor)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _make_directory(self) -> None:
        try:
            (self.directory / self._namespace).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentFault(f"{self.directory} cannot be made ({error.strerror}): run as root.") from error

    def _open_lock(self) -> int:
        try:
            LOCKS.mkdir(mode=0o755, parents=True, exist_ok=True)
            return os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnvironmentFault(f"{self._lock_path} cannot be made ({error.strerror}): run as root.") from error

    def unlock(self) -> None:
        """Takes the lock away; harmless when there is none."""
        if self._lock >= 0:
            self._lock_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def mount(self) -> None:
        """Mounts bpffs where it is not mounted, and forgets what a namespace of the same number left there."""
        if not _is_bpffs(BPFFS):
            _mount()
        if not self.marked(self._namespace):
            self.clear()

    def pin(self, name: str, descriptor: int) -> None:
        """Pins something, in the place of what had the name."""
        self._make_directory()
        fresh = self.directory / f"{name}_new"
        fresh.unlink(missing_ok=True)
        syscall.pin(descriptor, fresh)
        fresh.rename(self.directory / name)

    def pinned(self, name: str) -> int | None:
        """Opens what is pinned under a name, None when nothing is."""
        try:
            return syscall.pinned(self.directory / name)
        except OSError:
            return None

    def pinned_map(self, name: str) -> Map | None:
        """Opens a pinned map, None when there is none."""
        descriptor = self.pinned(name)
        return None if descriptor is None else Map(descriptor)

    def mark(self, name: str) -> None:
        """Leaves a note for later intercepts; a bpffs has no plain files, but directories."""
        self._make_directory()
        (self.directory / name).mkdir(exist_ok=True)

    def marked(self, name: str) -> bool:
        """Says whether that note was left."""
        return (self.directory / name).is_dir()

    def clear(self) -> bool:
        """Removes all pins and notes; says whether there were any."""
        if not self.directory.is_dir():
            return False
        for path in self.directory.iterdir():
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        self.directory.rmdir()
        return True


def network_namespace() -> int:
    """Tells the inode of this thread's network namespace."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def _namespace_cookie() -> int:
    """Tells a number of the network namespace that, unlike its inode, is never given again (socket(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        return int.from_bytes(any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _is_bpffs(path: Path) -> bool:
    buffer = (ctypes.c_long * 32)()
    return _libc.statfs(os.fsencode(path), buffer) == 0 and buffer[0] == _BPFFS_MAGIC


def _mount() -> None:
    if _libc.mount(b"bpf", os.fsencode(BPFFS), b"bpf", 0, b"mode=700") != 0:
        reason = os.strerror(ctypes.get_errno())
        raise EnvironmentFault(
            f"{BPFFS} is no bpffs and cannot be made one ({reason}): `sudo mount -t bpf bpf {BPFFS}`."
        )
    log.warning("mounted a bpffs at %s, where the interception is pinned", BPFFS)
    if _is_private_mount():
        log.warning(
            "this mount namespace is not that of the machine: the XDP interception ends with it, "
            "also when it should outlive the intercept"
        )


def _is_private_mount() -> bool:
    try:
        return Path("/proc/self/ns/mnt").stat().st_ino != Path("/proc/1/ns/mnt").stat().st_ino
    except OSError:  # Not everybody may look at process 1.
        return False
