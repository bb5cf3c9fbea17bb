"""Ctrl-C where nothing has been started that must be ended in order: one line and exit status 130."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def interruptible(more: str = "") -> Iterator[None]:
    """A command's work; ``more`` is what a person wants to know when it is interrupted. typer would say no word."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"gryphon: interrupted{more}", err=True)
        raise typer.Exit(130) from None
