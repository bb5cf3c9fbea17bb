"""Runs the commands of a page of the docs as a reader would type them, each in the host that its prompt names."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gryphon.lab.enter import shell
from gryphon.lab.waiting import until
from manual.console import Command, Page, Place, unlike

# As root there is nothing to become. What sudo's own search of commands leaves out is docs/installation.md's matter.
_SUDO = '#!/bin/sh\nexec env -- "$@"\n'

# The demo's lab, but under another name than that of one that a user keeps.
_GRYPHON = """#!{python}
import sys
from gryphon.lab import leftovers
from gryphon.sender.cli import main
leftovers.KEPT = {prefix!r}
main()
"""

_SCRIPT = """
[ -e {state} ] && . {state}
cd "$(cat {where} 2>/dev/null || pwd)"
(exit {last})
{command}
last=$?
export -p > {state}; pwd > {where}
exit $last
"""


_LOOKS = 150
"""Looks at a directory until it is taken to have settled: longer than the second that tcpdump may wait."""


@dataclass
class Reader:
    """Types a page's commands.

    Attributes:
        prefix: of the lab's namespaces.
        directory: where the reader stands, on all hosts, as in the shells of the demo.
    """

    prefix: str
    directory: Path
    _running: dict[Place, tuple[Command, subprocess.Popen[bytes], Path]] = field(default_factory=dict)
    _last: dict[Place, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._bin = self.directory / ".bin"
        self._bin.mkdir(parents=True)
        for name, text in (("sudo", _SUDO), ("gryphon", _GRYPHON.format(python=sys.executable, prefix=self.prefix))):
            (self._bin / name).write_text(text)
            (self._bin / name).chmod(0o755)

    def follow(self, page: Page) -> list[str]:
        """Everything that went otherwise than the page says; empty when all is as written."""
        wrong: list[str] = []
        try:
            for number, command in enumerate(page.commands):
                wrong += self._type(command, page.commands[number + 1 :])
        finally:
            for _, process, _ in self._running.values():
                _kill(process)
        return wrong

    def _type(self, command: Command, later: list[Command]) -> list[str]:
        if command.text == "^C":
            return self._interrupt(command, later)
        if command.stays:
            self._start(command)
            return []
        output = self.directory / f".output-{command.line}"
        process = self._open(command, output)
        try:
            self._last[command.place] = process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            _kill(process)
            return [f"line {command.line}: does not end: {command.text}\n{output.read_text()}"]
        following = next((one.text for one in later if one.place == command.place), "")
        return self._judge(command, output.read_text(), expected=None if following == "echo $?" else 0)

    def _judge(self, command: Command, printed: str, expected: int | None) -> list[str]:
        status = self._last.get(command.place, 0)
        if expected is not None and status != expected:
            return [f"line {command.line}: exit status {status}: {command.text}\n{printed}"]
        if missing := unlike(command.output, printed):
            return [f"line {command.line}: {command.text}\nis to print: {missing}\nbut printed:\n{printed}"]
        return []

    def _start(self, command: Command) -> None:
        """Starts what runs until a ^C; it is ready when it has said the first line that the page shows of it."""
        output = self.directory / f".output-{command.line}"
        process = self._open(command, output)
        self._running[command.place] = (command, process, output)
        until(
            f"`{command.text}` to be ready",
            lambda: process.poll() is not None or not unlike(command.output[:1] or ["..."], output.read_text()),
            seconds=60,
        )

    def _interrupt(self, command: Command, later: list[Command]) -> list[str]:
        """Ctrl-C at the terminal; where another follows at once, it comes before the first one's end."""
        started, process, output = self._running[command.place]
        if process.poll() is not None:
            del self._running[command.place]
            return [f"line {started.line}: has ended by itself: {started.text}\n{output.read_text()}"]
        if "tcpdump" in started.text:
            self._let_settle()
        said = output.stat().st_size
        os.killpg(process.pid, signal.SIGINT)
        if later and later[0].text == "^C" and later[0].place == command.place:
            until(f"`{started.text}` to answer ^C", lambda: process.poll() is not None or output.stat().st_size > said)
            return []
        process.wait(timeout=60)
        del self._running[command.place]
        missing = unlike([*started.output, *command.output], output.read_text())
        return [f"line {started.line}: {started.text}\nlacks {missing} in\n{output.read_text()}"] if missing else []

    def _let_settle(self) -> None:
        """A reader's hand is slow: tcpdump has written by then what it saw, and would end without reading the rest."""
        sizes: list[int] = []

        def settled() -> bool:
            sizes.append(sum(path.stat().st_size for path in self.directory.iterdir()))
            return len(sizes) > _LOOKS and len(set(sizes[-_LOOKS:])) == 1

        until("what runs to have written all", settled)

    def _open(self, command: Command, output: Path) -> subprocess.Popen[bytes]:
        line, environment = ["bash", "--norc"], dict(os.environ)
        path = f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment["PATH"] = path
        if command.place:
            line, changes = shell(self.prefix, command.place, path)
            environment |= changes | {"PATH": f"{self._bin}:{changes['PATH']}"}
        name = command.place or "machine"
        script = _SCRIPT.format(
            state=shlex.quote(str(self.directory / f".state-{name}")),
            where=shlex.quote(str(self.directory / f".where-{name}")),
            last=self._last.get(command.place, 0),
            command=command.text,
        )
        with output.open("wb") as file:
            return subprocess.Popen(
                [*line, "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.directory,
                start_new_session=True,
            )


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
