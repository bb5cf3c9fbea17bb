"""What the log files of both commands have in common: their levels, and that every event is a line of its own."""

from __future__ import annotations

import logging
import re
import sys

from gryphon.controller.errors import InputFault

LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}
"""What ``--log-level`` takes; each has all that is in front of it, too."""

FILE_ONLY = {"gryphon_file_only": True}
"""As ``extra`` of a log call: what the terminal shows in another form, or must not show."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def parse_level(text: str) -> int:
    """``--log-level``: a number of ``logging``; InputFault for another word."""
    if text not in LEVELS:
        raise InputFault(f"--log-level {text}: give {', '.join(list(LEVELS)[:-1])} or {list(LEVELS)[-1]}")
    return LEVELS[text]


class Lines(logging.Formatter):
    """An event is the line that begins with its time; what belongs to it (a traceback, say) is indented.

    Words of others can be in a message (a sender's name, a reason that came over the channel): they make no line of
    their own, and no control character of theirs reaches a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """As ``logging`` does it, then in this form."""
        text = super().format(record).rstrip("\n").replace("\n", "\n    ")
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def screen(level: int, form: Lines) -> logging.Handler:
    """A handler for standard error, without what is for the file alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(form)
    handler.addFilter(lambda record: not hasattr(record, "gryphon_file_only"))
    return handler


def listen(name: str, level: int) -> logging.Logger:
    """The logger above all of ``name``, letting pass what a file of that level wants, and every warning."""
    logger = logging.getLogger(name)
    logger.setLevel(min(level, logging.WARNING))
    return logger
