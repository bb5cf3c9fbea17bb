"""Where virtual machines cannot reach anybody, and of which nothing stays: namespaces with a libvirtd of their own.

``unshare`` gives network, mounts and processes of their own. Its first process is the only one that the rest hangs on:
when it ends, the kernel ends every machine and daemon, and their network and mounts are gone with them.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.waiting import until

UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
_MORTAL = ["setpriv", "--pdeathsig", "KILL"]
"""Who is killed while they wait takes everything inside along."""
_FIRST = ["sh", "-c", '"$@"; exit $?', "sh"]
"""The first process inside, which takes leave of those that nobody waits for: libvirt waits until they are gone."""
_PRIVATE = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/run/libvirt")
_SOCKET = Path("/run/libvirt/libvirt-sock")
_LIBVIRTD = ('auth_unix_ro = "none"', 'auth_unix_rw = "none"')
_QEMU = (
    'user = "root"',
    'group = "root"',
    "dynamic_ownership = 0",
    "remember_owner = 0",
    'security_driver = "none"',
    'stdio_handler = "file"',
    "cgroup_controllers = []",
    "namespaces = []",
)
"""No systemd, D-Bus, log daemon or access control stands beside this libvirtd; it is alone and root."""


def run_confined(line: Sequence[str | Path]) -> int:
    """Runs a command in new namespaces, and gives its exit status; Ctrl-C is the command's own."""
    made = [path for path in map(Path, _PRIVATE) if not path.exists()]
    process = subprocess.Popen([*_MORTAL, *UNSHARE, *_FIRST, *map(str, line)])
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
    finally:
        for path in made:
            if path.exists():
                path.rmdir()


def _run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL)


def _private_folders(work: Path) -> None:
    """libvirt's folders, empty; /sys of this network, which libvirt reads."""
    _run("mount", "-t", "sysfs", "sysfs", "/sys")
    for path in _PRIVATE:
        own = work / path.strip("/").replace("/", "-")
        own.mkdir(parents=True)
        Path(path).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", own, path)
    Path("/etc/libvirt/libvirtd.conf").write_text("\n".join(_LIBVIRTD) + "\n")
    Path("/etc/libvirt/qemu.conf").write_text("\n".join(_QEMU) + "\n")
    Path("/var/log/libvirt/qemu").mkdir()


@contextmanager
def libvirtd(work: Path) -> Iterator[None]:
    """A libvirtd that answers at its usual place, for this namespace alone.

    Raises:
        EnvironmentFault: it did not start; with what it said.
    """
    _run("ip", "link", "set", "lo", "up")
    _private_folders(work)
    said = work / "libvirtd.log"
    with said.open("wb") as log:
        line = [shutil.which("libvirtd") or "/usr/sbin/libvirtd", "--pid-file", "/run/libvirt/libvirtd.pid"]
        daemon = subprocess.Popen(line, stdout=log, stderr=log)
    try:
        until("libvirtd", lambda: daemon.poll() is not None or _SOCKET.exists(), seconds=60)
        if daemon.poll() is not None:
            raise EnvironmentFault(f"libvirtd did not start; it said: {said.read_text()[-1000:]}")
        yield
    finally:
        daemon.terminate()
        daemon.wait()
