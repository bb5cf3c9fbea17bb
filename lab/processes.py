"""Processes of the lab: started inside a host's network, dying with their owner, ended by process id."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from gryphon.lab.needs import tool

NAMESPACES = Path("/run/netns")


def inside(namespace: str, argv: Sequence[str], *, orphan: bool = False) -> list[str]:
    """The command line that runs `argv` in the network namespace and nowhere else new.

    `ip netns exec` would also give it a mount namespace of its own, where pins in bpffs vanish with it.
    Without `orphan` the kernel sends the process SIGTERM when the thread that starts it dies, however it dies
    (prctl(2), PR_SET_PDEATHSIG; it survives the exec because nothing here changes the user). SIGTERM and not
    SIGKILL: a server with workers must live long enough to end them.
    """
    bound = [] if orphan else [tool("setpriv"), "--pdeathsig", "TERM", "--"]
    return [*bound, tool("nsenter"), f"--net={NAMESPACES / namespace}", "--", *argv]


def processes_in(namespace: str) -> list[int]:
    """The ids of all processes, whoever started them, whose network is this namespace."""
    wanted = (NAMESPACES / namespace).stat().st_ino
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended between the listing and the look
                if (entry / "ns/net").stat().st_ino == wanted:
                    found.append(int(entry.name))
    return found


def end(pids: Iterable[int], patience: float = 5.0) -> None:
    """Ends processes: SIGTERM to each, `patience` seconds for all, then SIGKILL.

    Works through pidfds (Linux 5.3), so that an id that was given to another process meanwhile is never hit.
    """
    alive = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            alive.append(os.pidfd_open(pid))
    try:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            remaining = _ended_after(alive, sign, patience)
            if not remaining:
                break
    finally:
        for fd in alive:
            os.close(fd)


def _ended_after(pidfds: Sequence[int], sign: signal.Signals, patience: float) -> list[int]:
    """Sends the signal and gives back those that are still there `patience` seconds later."""
    waiting = list(pidfds)
    for fd in waiting:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, sign)
    deadline = time.monotonic() + patience
    while waiting and (left := deadline - time.monotonic()) > 0:
        poller = select.poll()  # a pidfd is readable once its process has ended
        for fd in waiting:
            poller.register(fd, select.POLLIN)
        ended = {fd for fd, _ in poller.poll(left * 1000)}
        waiting = [fd for fd in waiting if fd not in ended]
    return waiting


def end_children(children: Iterable[subprocess.Popen[bytes]], patience: float = 5.0) -> None:
    """Ends processes that this process started, and reaps them."""
    running = [child for child in children if child.poll() is None]
    end((child.pid for child in running), patience)
    for child in running:
        child.wait()


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (proc(5), stat field 22); None when it has ended.

    With the id it names one process for good, where the id alone may be handed out again.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    after_name = text.rpartition(")")[2].split()
    return None if after_name[0] == "Z" else int(after_name[19])
