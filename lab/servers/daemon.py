"""What the lab's servers other than nginx have in common: a process with a directory, ready once it answers."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until
from gryphon.lab.wiring import HostName


class Daemon(ABC):
    """A server, on the server's host unless another is named, as a context manager.

    Attributes:
        directory: its own files, in the lab's directory.
        output: what it says, on both streams.
    """

    def __init__(self, lab: Lab, name: str, host: HostName = "server") -> None:
        self.lab = lab
        self._host = host
        self.directory = lab.directory / name
        self.output = self.directory / "output"
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _line(self) -> list[str]:
        """Its command line; its directory is there, and this writes its configuration into it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it answers by now."""

    def __enter__(self) -> Self:
        self.directory.mkdir()
        line = self._line()
        with self.output.open("wb") as output:
            self._process = self.lab.popen(self._host, line, stdout=output, stderr=output)
        until(f"{self._name} to answer", self._ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it at once: open connections are cut."""
        if self._process is not None:
            self.lab.end(self._process)
            self._process = None

    def _ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            said = self.output.read_text().strip()
            raise EnvironmentFault(f"{self._name} did not start in the lab: {said or 'no word'}")
        return self._answers()


def system_python() -> str:
    """The interpreter that has Debian's Python packages, which the one of .venv does not see."""
    return "/usr/bin/python3"


def script(path: Path, text: str) -> list[str]:
    """Writes a Python program for it and gives back the line that runs it."""
    path.write_text(text)
    return [system_python(), str(path)]
