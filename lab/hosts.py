"""The lab: three hosts as network namespaces on this machine, wired as `gryphon.lab.wiring` says."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab import leftovers, needs, wiring
from gryphon.lab.processes import end_children, inside
from gryphon.lab.wiring import HOSTS, LINKS, HostName

_made = itertools.count()


class Lab:
    """Three hosts, as a context manager: made on entry, removed with all their processes on exit.

    A process inside dies with this one, also after kill -9 (see `processes.inside`); what then remains of the
    hosts, the next lab sweeps away. With `kept` the lab stays, with the processes started to stay, until
    `leftovers.remove(leftovers.KEPT)`.

    Attributes:
        prefix: what the names of its namespaces begin with.
        directory: for files of all that runs in it; removed with it.
    """

    def __init__(self, *, kept: bool = False, queues: int = 1) -> None:
        """``queues``: of each interface, as network cards have them for the cores."""
        self.kept = kept
        self.queues = queues
        self.prefix = leftovers.KEPT if kept else leftovers.owned_prefix(os.getpid(), next(_made))
        self.directory = leftovers.directory(self.prefix)
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        needs.check(("ip", "nsenter", "setpriv", "sysctl"))
        leftovers.sweep()
        if self.kept and self.directory.exists():
            raise EnvironmentFault("A kept lab is already there: remove it with `gryphon demo --remove`.")
        try:
            self.directory.mkdir(mode=0o700)
            self._make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.kept:
            self.remove()

    def remove(self) -> None:
        """Ends every process inside and removes hosts and files; harmless when there is nothing left."""
        end_children(self._children)
        self._children.clear()
        leftovers.remove(self.prefix)

    def namespace(self, host: HostName) -> str:
        """The name of a host's namespace, as `ip netns` shows it."""
        return self.prefix + host

    def run(
        self, host: HostName, argv: Sequence[str], *, text: str = "", timeout: float = 30.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside a host, in the lab's directory, to its end; `text` is its standard input.

        Raises:
            EnvironmentFault: with `check`, when it fails; the sentence has the last line of its complaint.
        """
        line = inside(self.namespace(host), argv)
        done = subprocess.run(
            line,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.directory,
            check=False,
        )
        if check and done.returncode:
            raise _failed(argv, done)
        return done

    def popen(
        self,
        host: HostName,
        argv: Sequence[str],
        *,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        stays: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Starts a command inside a host and returns at once; the lab ends it when it is removed.

        It has a process group of its own: a Ctrl-C at the terminal is for the lab's owner to pass on. It ends
        when the thread that starts it does. With `stays` it outlives the owner where the lab does.
        """
        child = subprocess.Popen(
            inside(self.namespace(host), argv, orphan=stays and self.kept),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=self.directory,
            process_group=0,
        )
        self._children.append(child)
        return child

    def end(self, child: subprocess.Popen[bytes], patience: float = 5.0) -> int:
        """Ends one process (SIGTERM, after `patience` seconds SIGKILL) and gives back its status."""
        end_children([child], patience)
        return child.wait()

    def route_forged(self, via: Literal["sender", "assistant"]) -> None:
        """Leads the server's answers to all forged addresses to this host."""
        self._ip("server", wiring.forged_batch(via))

    def _make(self) -> None:
        for host in HOSTS:
            _run([needs.tool("ip"), "netns", "add", self.namespace(host)])
            self.run(host, [needs.tool("sysctl"), "-q", "-w", *wiring.SYSCTLS])
        for one, other in LINKS:
            _run(
                [
                    needs.tool("ip"),
                    "link",
                    "add",
                    *self._veth(one),
                    "type",
                    "veth",
                    "peer",
                    *self._veth(other),
                ]
            )
        for host in HOSTS:
            self._ip(host, wiring.host_batch(host))
        self.route_forged("sender")

    def _ip(self, host: HostName, batch: str) -> None:
        # Not `ip -n`, which changes its mount namespace too, and that fails in a chroot.
        self.run(host, [needs.tool("ip"), "-batch", "-"], text=batch)

    def _veth(self, end: wiring.End) -> list[str]:
        queues = ["numtxqueues", str(self.queues), "numrxqueues", str(self.queues)]
        return ["name", end.interface, "address", end.mac, *queues, "netns", self.namespace(end.host)]


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise _failed(argv, done)


def _failed(argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> EnvironmentFault:
    said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
    hint = " (the kernel has no veth)" if "veth" in argv and "nknown device type" in said else ""
    return EnvironmentFault(f"`{' '.join([Path(argv[0]).name, *argv[1:]])}` failed in the lab: {said}{hint}.")
