"""A virtual machine as a test sees it: commands over ssh, and what goes by on the wire outside of it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Thread

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.waiting import until

SECONDS = 240.0
"""The longest that a command takes where a processor is emulated: bcc alone takes most of a minute."""


class Running:
    """A command that goes on, by its process id there; its output comes as it is written."""

    def __init__(self, machine: Machine, command: str) -> None:
        self._machine = machine
        self._process = machine.popen(f"echo $$; exec sudo {command} 2>&1")
        self.lines: list[str] = []
        self._coming: Queue[str | None] = Queue()
        Thread(target=self._read, daemon=True).start()
        self.pid = int(self.wait_for(r"^\d+$"))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._coming.put(line.rstrip())
        self._coming.put(None)

    def wait_for(self, pattern: str, seconds: float = SECONDS, *, or_end: bool = False) -> str:
        """The next line that has it; empty where the command may end before.

        Raises:
            EnvironmentFault: the command ended; with all that it said.
        """
        while True:
            line = self._coming.get(timeout=seconds)
            if line is None:
                self._coming.put(None)
                if or_end:
                    return ""
                raise EnvironmentFault(f"No {pattern!r}: {self.text}")
            self.lines.append(line)
            if re.search(pattern, line):
                return line

    def signal(self, name: str) -> None:
        self._machine.run(f"sudo kill -{name} {self.pid}", check=False)

    def wait(self, seconds: float = SECONDS) -> int:
        """Its exit status."""
        status = self._process.wait(timeout=seconds)
        while (line := self._coming.get(timeout=10)) is not None:
            self.lines.append(line)
        self._coming.put(None)
        return status

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Machine:
    """One of the three."""

    def __init__(self, name: str) -> None:
        self.name = name
        # a machine that goes down says no goodbye: the connection notices, not the next command
        self._alone = ["ssh", "-F", os.environ["GRYPHON_SSH"], "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20"]
        self._alone += ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6"]
        self._shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath=/run/libvirt/ssh-{name}"]
        self._shared += ["-o", "ControlPersist=yes"]
        self._ssh = [*self._alone, *self._shared, name]

    def popen(self, command: str) -> subprocess.Popen[str]:
        line = [*self._ssh, command]
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def ask(self, command: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
        """Runs a command, whatever its end."""
        line = [*self._ssh, command]
        return subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )

    def run(self, command: str, seconds: float = SECONDS, *, check: bool = True) -> str:
        """What a command writes to its standard output.

        Raises:
            AssertionError: it failed; with all that it said.
        """
        done = self.ask(command, seconds)
        said = f"{self.name}: {command}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert not check or done.returncode == 0, said
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Makes a file of root's."""
        line = [*self._ssh, f"sudo tee {path} >/dev/null"]
        subprocess.run(line, input=text, text=True, check=True, timeout=SECONDS)

    @contextmanager
    def running(self, command: str) -> Iterator[Running]:
        """A command as root that is ended at the latest with the block."""
        started = Running(self, command)
        try:
            yield started
        finally:
            started.signal("KILL") if started._process.poll() is None else None
            started._process.kill()
            started._process.wait()

    def wait_for_requests(self) -> None:
        """On the server: until nginx has answered forged users since the call."""
        before = self.requests()
        until("requests of forged users", lambda: self.requests() > before, seconds=600)

    def requests(self) -> int:
        """On the server: requests from forged addresses that nginx logged since it was installed; 0 while it is off."""
        counted = self.ask(r"sudo grep -cE '^(10\.17\.15\.|fd17:15:)' /var/log/nginx/access.log", 60).stdout
        return int(counted or 0)

    def boot_id(self) -> str:
        """Another one after each boot; empty while nobody answers."""
        line = [*self._alone, self.name, "cat /proc/sys/kernel/random/boot_id"]
        try:
            return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False).stdout.strip()
        except subprocess.TimeoutExpired:
            return ""

    def reboot(self) -> None:
        """At once, and until it is up again."""
        before = self.boot_id()
        self.popen("sudo systemctl reboot --force").wait(timeout=60)
        subprocess.run([*self._alone, *self._shared, "-O", "exit", self.name], capture_output=True, check=False)
        until(f"{self.name} after its boot", lambda: self.boot_id() not in ("", before), seconds=600)
