"""The log of ``gryphon send``: one line per event in its file, warnings on the terminal, too."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from gryphon.controller.errors import InputFault
from gryphon.controller.logs import Lines, listen, screen
from gryphon.sender.redact import without_secrets

log = logging.getLogger("gryphon")


class _LogFile(logging.FileHandler):
    """A log file that says once when it cannot be written, and goes on."""

    _silent = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by ``emit`` instead of raising."""
        if not self._silent:
            self._silent = True
            print(f"gryphon: the log {self.baseFilename} cannot be written: {sys.exc_info()[1]}", file=sys.stderr)


def open_log(path: Path, level: int) -> None:
    """Send events of at least ``level`` into the file, and warnings to the terminal, of gryphon and of its libraries.

    Below a warning only gryphon's own: libraries have a line for every instruction that they compile.

    Raises:
        InputFault: the file cannot be written.
    """
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    listen("gryphon", level)
    root.addHandler(screen(logging.WARNING, Lines("gryphon: %(message)s")))
    try:
        file = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputFault(f"cannot write the log {path}: {error.strerror}; name another with -l") from error
    file.setLevel(level)
    file.setFormatter(Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(file)
    log.info("started: %s", " ".join(without_secrets(sys.argv)))
