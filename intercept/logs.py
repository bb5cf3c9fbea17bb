"""The log: one line per event, in the log file and on standard error; tracebacks in the file alone."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

from gryphon.controller.errors import InputFault
from gryphon.controller.logs import Lines, listen, screen

_MOST_BYTES = 16 << 20
"""Of a log file, and of the one before it: strangers who knock cannot fill the disk."""


def open_log(path: Path, level: int = logging.INFO) -> logging.Logger:
    """Send the events of all of gryphon to ``path`` and to standard error, which has no debugging lines.

    Args:
        level: the least that the file is to have.

    Raises:
        InputFault: the file cannot be written.
    """
    try:
        file = logging.handlers.RotatingFileHandler(
            path, maxBytes=_MOST_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise InputFault(f"cannot write the log {path} ({error.strerror}): name another with -l") from error
    file.setLevel(level)
    file.setFormatter(Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.raiseExceptions = False  # a full disk or a closed terminal must not end the interception
    root = listen("gryphon", min(level, logging.INFO))
    root.propagate = False
    root.handlers[:] = [file, screen(logging.INFO, Lines("%(asctime)s %(message)s", "%H:%M:%S"))]
    return logging.getLogger("gryphon.intercept")
