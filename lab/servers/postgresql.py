"""PostgreSQL in the lab, with its own log of every connection and statement; it trusts everybody."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers.daemon import Daemon
from gryphon.lab.waiting import until

PORT = 5432
USER = "postgres"
"""The user of the system that the package makes, and the one of the database."""

_INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian has each version's programs, /usr/bin has a few of them only."""

# The log is the count: a line for each connection's begin and end and each statement, its client's address in front.
# Nothing that it does has to survive the lab.
_CONFIGURATION = """\
listen_addresses = '*'
port = {port}
unix_socket_directories = '{directory}'
max_connections = 1200
shared_buffers = 32MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
log_destination = 'stderr'
log_line_prefix = '%h '
log_connections = on
log_disconnections = on
log_statement = 'all'
log_timezone = 'UTC'
timezone = 'UTC'
"""
_TRUST = "local all all trust\nhost all all all trust\n"

_LINE = re.compile(r"^(?P<client>[0-9a-f.:]+)(?:\(\d+\))? (?P<severity>[A-Z]+):  (?P<text>.*)$", re.M)


class Mark(NamedTuple):
    """A moment in its log."""

    log_end: int


class Served(NamedTuple):
    """What PostgreSQL logged of clients over TCP since a mark."""

    connections: int
    """Those that were let in."""
    open: int
    """Those that had not ended at the end of the wait."""
    statements: Counter[str]
    """Each statement's text, and how often it ran; a prepared one is there for every execution."""
    complaints: list[str]
    """Every line that is worse than LOG."""


class Postgresql(Daemon):
    """PostgreSQL on the server host, port 5432 of both IP versions, as a context manager."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "postgresql")
        self._data = self.directory / "data"

    def ask(self, statements: str) -> str:
        """The bare rows that statements of the lab's own give, over the unix socket."""
        line = [str(programs() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        line += ["-h", str(self.directory), "-U", USER, USER]
        return self.lab.run("server", line, text=statements).stdout.strip()

    def mark(self) -> Mark:
        """Where its log ends now."""
        return Mark(self.output.stat().st_size)

    def since(self, mark: Mark, *, patience: float = 10.0) -> Served:
        """What it logged since `mark`, once every connection has ended; it waits for that `patience` seconds."""
        with contextlib.suppress(EnvironmentFault):
            until("PostgreSQL to see its last connection end", lambda: self._logged(mark).open == 0, seconds=patience)
        return self._logged(mark)

    def stop(self) -> None:
        """Ends it at once: open connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # SIGTERM would wait for every client to go
            self._process.wait(timeout=30)
        super().stop()

    def _logged(self, mark: Mark) -> Served:
        with self.output.open("rb") as log:
            log.seek(mark.log_end)
            lines = [(found["severity"], found["text"]) for found in _LINE.finditer(log.read().decode())]
        texts = [text for severity, text in lines if severity == "LOG"]
        began = sum(text.startswith("connection authorized:") for text in texts)
        ended = sum(text.startswith("disconnection:") for text in texts)
        statements = [found[1] for text in texts if (found := re.match(r"(?:statement|execute [^:]+): (.*)", text))]
        complaints = [text for severity, text in lines if severity not in ("LOG", "DETAIL", "STATEMENT")]
        return Served(began, began - ended, Counter(statements), complaints)

    def _line(self) -> list[str]:
        self.lab.directory.chmod(0o711)  # that another user than root gets through to its own directory
        shutil.chown(self.directory, USER)
        initdb = [str(programs() / "initdb"), "-D", str(self._data), "-A", "trust", "-E", "UTF8", "--no-locale"]
        self.lab.run("server", [*_as_user(), *initdb, "--no-sync", "-U", USER], timeout=60)
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION.format(port=PORT, directory=self.directory))
        (self._data / "pg_hba.conf").write_text(_TRUST)
        return [*_as_user(), str(programs() / "postgres"), "-D", str(self._data)]

    def _answers(self) -> bool:
        try:
            return self.ask("SELECT 1") == "1"
        except EnvironmentFault:  # not listening yet, or still starting up
            return False


def programs() -> Path:
    """The folder of the newest installed version's programs.

    Raises:
        EnvironmentFault: there is none.
    """
    found = [path for path in _INSTALLED.glob("*/bin") if (path / "postgres").exists()]
    if not found:
        raise EnvironmentFault("PostgreSQL is not installed: run `make setup` or `apt-get install postgresql`.")
    return max(found, key=lambda path: int(path.parent.name))


def _as_user() -> list[str]:
    """What runs the rest of the line as the package's user; the kernel forgets the owner's death with a change of user.

    SIGINT is PostgreSQL's fast shutdown.
    """
    to = ["--reuid", USER, "--regid", USER, "--clear-groups", "--pdeathsig", "INT"]
    return [tool("setpriv"), *to, "--"]
