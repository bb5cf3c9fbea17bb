"""Real clients of the lab's server while a replay runs: they must notice nothing."""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import Self

from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.wiring import End

# One connection with one request after the other; told to stop, it finishes the one that it is at. A loop that is
# killed instead would leave a request that the server counts and nobody else.
_LOOP = """\
until [ -e "$1" ]; do
    "$2" -s -m 10 -o /dev/null -w '%{http_code} %{time_total}\\n' "$3"
    sleep 0.02
done
"""


class RealClients:
    """curl after curl from a host's own address, as a context manager.

    Attributes:
        statuses: what each got, in order ("000" where there was no answer); complete once it is left.
        seconds: how long each took.
    """

    def __init__(self, lab: Lab, client: End, server: End, *, version: int = 4) -> None:
        self.statuses: list[str] = []
        self.seconds: list[float] = []
        self._lab = lab
        self._client = client
        self._url = f"http://{server.v4 if version == 4 else f'[{server.v6}]'}/news.html"
        self._stop = lab.directory / "clients.stop"
        self._output = lab.directory / "clients.output"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._stop.unlink(missing_ok=True)
        line = ["/bin/sh", "-c", _LOOP, "clients", str(self._stop), tool("curl"), self._url]
        with self._output.open("wb") as output:
            self._process = self._lab.popen(self._client.host, line, stdout=output)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._stop.touch()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._lab.end(self._process)
        rows = [line.split() for line in self._output.read_text().splitlines()]
        self.statuses = [status for status, _ in rows]
        self.seconds = [float(seconds) for _, seconds in rows]

    @property
    def served(self) -> int:
        """How many were answered with 200."""
        return self.statuses.count("200")
