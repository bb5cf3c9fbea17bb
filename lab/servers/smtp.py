"""OpenSMTPD in the lab, with its own log of every session and mail; it keeps all mail in its queue and sends none."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers.daemon import Daemon
from gryphon.lab.waiting import until

PORT = 25
DOMAIN = "gryphon.test"
"""It accepts mail for every address of this domain."""

_CONFIGURATION = """\
listen on 0.0.0.0
listen on ::
table everyone {{ "@" = "root" }}
action "kept" mda "/bin/true" virtual <everyone>
match from any for domain "{domain}" action "kept"
"""

# Its queue, its control socket and its pid have fixed paths: it sees directories of its own there.
# Delivery to programs and to other hosts is paused from the start, so mail stays in the queue.
_START = """\
mount --bind spool /var/spool && mount --bind run /run && exec "$0" -d -P mda -P mta -f smtpd.conf
"""

_CLOSED = re.compile(r"^[0-9a-f]{16} smtp disconnected reason=(\S+)", re.M)
_MAIL = re.compile(r"^[0-9a-f]{16} smtp message msgid=\S+ size=(\d+) nrcpt=(\d+)", re.M)
_FAULT = re.compile(r"^[0-9a-f]{16} smtp (?:failed-command|error|.*failed).*$", re.M)


class Mark(NamedTuple):
    """A moment in its log."""

    log_end: int


class Served(NamedTuple):
    """What OpenSMTPD logged since a mark."""

    connections: int
    open: int
    """Those that had not ended at the end of the wait."""
    quit: int
    """Those that ended with QUIT."""
    mails: int
    recipients: int
    bytes: int
    """Of the accepted mails, as it stores them: with its own Received header and without CR."""
    complaints: list[str]
    """Every line about a command that it refused."""


class Smtp(Daemon):
    """OpenSMTPD on the server host, port 25 of both IP versions, as a context manager."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "smtp")

    def mark(self) -> Mark:
        """Where its log ends now."""
        return Mark(self.output.stat().st_size)

    def since(self, mark: Mark, *, patience: float = 10.0) -> Served:
        """What it logged since `mark`, once every session has ended; it waits for that `patience` seconds."""
        with contextlib.suppress(EnvironmentFault):
            until("OpenSMTPD to see its last session end", lambda: self._logged(mark).open == 0, seconds=patience)
        return self._logged(mark)

    def queued(self) -> list[Path]:
        """The files of all mails that it holds, each with its headers."""
        return sorted((self.directory / "spool" / "smtpd" / "queue").glob("*/*/message"))

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Its workers stand still meanwhile: connections are accepted by the kernel and greeted by nobody."""
        assert self._process is not None
        parent = self._process.pid
        workers = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        try:
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            yield
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)

    def _logged(self, mark: Mark) -> Served:
        with self.output.open("rb") as log:
            log.seek(mark.log_end)
            text = log.read().decode()
        came = text.count(" smtp connected ")
        closed = _CLOSED.findall(text)
        mails = [(int(size), int(recipients)) for size, recipients in _MAIL.findall(text)]
        return Served(
            came,
            came - len(closed),
            closed.count("quit"),
            len(mails),
            sum(recipients for _, recipients in mails),
            sum(size for size, _ in mails),
            _FAULT.findall(text),
        )

    def _line(self) -> list[str]:
        self.lab.directory.chmod(0o711)  # its workers have other users than root
        self.directory.chmod(0o711)
        for name in ("spool", "run"):
            (self.directory / name).mkdir(mode=0o755)
        (self.directory / "smtpd.conf").write_text(_CONFIGURATION.format(domain=DOMAIN))
        start = f'cd "$1" && {_START}'
        return [tool("unshare"), "--mount", "/bin/sh", "-c", start, tool("smtpd"), str(self.directory)]

    def _answers(self) -> bool:
        listening = self.lab.run("server", ["ss", "-Hltn", f"sport = :{PORT}"]).stdout
        return listening.count("\n") == 2
