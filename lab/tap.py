"""tcpdump in the lab: what an interface carried, with nothing lost on the way into the file."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import dpkt

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.wiring import HostName


class Tap:
    """tcpdump on one interface into a file, as a context manager; it is listening once entered.

    A packet is in the file as soon as tcpdump has it (`--immediate-mode -U`). Ending tcpdump drops what it
    has not read yet: wait for the last packet that counts before leaving.

    Args:
        options: more of tcpdump's own.
        roomy: without immediate mode, in which the largest packet's room is set aside for every packet and
            16 MiB hold 60 of them: a packet may be in the file a second late.
    """

    def __init__(
        self,
        lab: Lab,
        host: HostName,
        interface: str,
        path: Path,
        expression: str,
        options: Sequence[str] = (),
        *,
        roomy: bool = False,
    ) -> None:
        self.path = path
        self._lab = lab
        self._host = host
        # Without -Z root Debian's tcpdump changes its user, cannot write into the lab's directory and forgets
        # to die with its parent.
        self._line = [tool("tcpdump"), "-i", interface, "-p", "-n", "-U", "-B", "16384"]
        self._line += [] if roomy else ["--immediate-mode"]
        self._line += ["-Z", "root", *options, "-w", str(path), expression]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = self._lab.popen(self._host, self._line, stderr=subprocess.PIPE)
        self._listening(self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._process.stderr is None:
            return
        self._lab.end(self._process)
        said = self._process.stderr.read().decode()
        self._process.stderr.close()
        dropped = re.search(r"(\d+) packets? dropped by kernel", said)
        if fault is None and (dropped is None or int(dropped[1])):
            raise EnvironmentFault(f"tcpdump lost packets in the lab: {said.strip().splitlines()[-1:]}")

    def packets(self) -> Iterator[tuple[float, bytes]]:
        """Time and bytes of each packet in the file by now."""
        with self.path.open("rb") as file:
            try:
                yield from dpkt.pcap.Reader(file)
            except dpkt.dpkt.NeedData:  # it is in the middle of writing the next
                return

    @staticmethod
    def _listening(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
        """Waits for tcpdump's own line that says so; read by hand, as a buffered read would wait for more."""
        assert process.stderr is not None
        said = b""
        deadline = time.monotonic() + seconds
        while b"listening on" not in said:
            ready, _, _ = select.select([process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(process.stderr.fileno(), 4096) if ready else b""
            if not part:
                raise EnvironmentFault(f"tcpdump did not start in the lab: {said.decode().strip() or 'no word'}")
            said += part
