"""The options of ``gryphon inspect``."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from gryphon.controller.errors import InputFault
from gryphon.sender.interrupt import interruptible
from gryphon.sender.numeric import int_option
from gryphon.sender.options import parse_arguments


def inspect(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Capture files or patterns; - reads a pipe.")],
    ports: Annotated[str | None, typer.Option("-x", "--ports", help="Only services on these ports: 80,443.")] = None,
    session: Annotated[
        int | None, int_option("--session", help="Print one session, by its number from 0.", example="0")
    ] = None,
    json: Annotated[str | None, typer.Option("--json", help="Write the result as JSON, - for standard output.")] = None,
    allow_encrypted: Annotated[
        bool, typer.Option("--allow-encrypted", help="TLS, SSH and salted logins count as replayable, as in send.")
    ] = False,
    hold: Annotated[
        bool, typer.Option("--hold", help="Sessions whose client sends nothing count as replayable, as in send.")
    ] = False,
) -> None:
    """Say what is in a capture, what of it can be replayed, and how."""
    if session is not None and json is not None:
        raise InputFault("--session and --json: a session is printed as text, leave one of them out")
    _warn_on_screen()
    from gryphon.sender.capture.recording import Rules
    from gryphon.sender.inspect.run import InspectOptions, run_inspect
    from gryphon.sender.transfers import parse_ports

    options = InspectOptions(
        files=parse_arguments(files),
        ports=None if ports is None else parse_ports(ports),
        session=session,
        json=json,
        rules=Rules(keep_silent=hold, allow_encrypted=allow_encrypted),
    )
    with interruptible():
        raise typer.Exit(run_inspect(options))


class _Screen(logging.Handler):
    """Standard error as it is at the time: a progress bar puts itself in front of it."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        print(f"gryphon: {self.format(record)}", file=sys.stderr)


def _warn_on_screen() -> None:
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.addHandler(_Screen())
