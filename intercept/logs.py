"""The log: one line per event, in the log file and on standard error; tracebacks in the file alone."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path

from gryphon.controller.errors import InputFault

_MOST_BYTES = 16 << 20
"""Of a log file, and of the one before it: strangers who knock cannot fill the disk."""
FILE_ONLY = {"gryphon_file_only": True}
"""As ``extra`` of a log call: what standard error shows in another form, or must not show."""


def open_log(path: Path) -> logging.Logger:
    """Send the events of all of gryphon to ``path`` and to standard error.

    Raises:
        InputFault: the file cannot be written.
    """
    try:
        file = logging.handlers.RotatingFileHandler(path, maxBytes=_MOST_BYTES, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise InputFault(f"cannot write the log {path} ({error.strerror}): name another with -l") from error
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    screen.addFilter(lambda record: not hasattr(record, "gryphon_file_only"))
    logging.raiseExceptions = False  # a full disk or a closed terminal must not end the interception
    root = logging.getLogger("gryphon")
    root.setLevel(logging.INFO)
    root.propagate = False
    root.handlers[:] = [file, screen]
    return logging.getLogger("gryphon.intercept")
