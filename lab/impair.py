"""A bad path in the lab: loss, duplication and reordering of a port's packets where they leave a host, seeded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until
from gryphon.lab.wiring import HostName


class Counts(NamedTuple):
    """What was done to packets."""

    seen: int
    dropped: int
    duplicated: int
    detoured: int


class Impairment:
    """The packets that leave a host's interface, impaired while this context manager is entered.

    Args:
        host: the sender for packets to the server, the server for its answers (in the local topology, where they are
            intercepted behind the way).
        port: of the service; other packets pass.
        loss, duplicate, reorder: shares of the packets, together at most 1.
        seed: the same packets in the same order are treated alike.
    """

    def __init__(
        self,
        lab: Lab,
        host: HostName,
        port: int,
        *,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        seed: int = 1,
        interface: str = "eth0",
    ) -> None:
        self._lab = lab
        self._host: HostName = host
        self._line = [sys.executable, "-m", "gryphon.lab.impairment", "--interface", interface, "--port", str(port)]
        for name, value in (("loss", loss), ("duplicate", duplicate), ("reorder", reorder), ("seed", seed)):
            self._line += [f"--{name}", str(value)]
        self._interface = interface
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def _output(self) -> Path:
        return self._lab.directory / f"impairment-{self._host}.output"

    def __enter__(self) -> Self:
        # one segment a packet: a loss is then what it is on a wire
        self._lab.run(self._host, ["ip", "link", "set", self._interface, "gso_max_segs", "1"])
        with self._output.open("wb") as file:
            self._child = self._lab.popen(self._host, self._line, stdout=file, stderr=file)
        until("the impairment to be attached", self._is_ready, seconds=30)
        return self

    def _is_ready(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            raise EnvironmentFault(f"the impairment ended: {self._output.read_text().strip()}")
        return self._output.read_text().startswith("ready")

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._child is not None
        self._lab.end(self._child)
        self._lab.run(self._host, ["ip", "link", "set", self._interface, "gso_max_segs", "65535"])

    @property
    def counts(self) -> Counts:
        """After it has been left."""
        return Counts(**json.loads(self._output.read_text().splitlines()[-1]))
