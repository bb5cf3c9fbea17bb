"""The progress bar of reading large files, on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LARGE = 50_000_000
"""Bytes of all files together that are worth a bar."""


@contextmanager
def reading(files: list[str]) -> Iterator[Callable[[int, int], None] | None]:
    """What is to be told the bytes read and the bytes there are, None without a bar; it is gone at the end."""
    known = [Path(file) for file in files if Path(file).is_file()]
    if not sys.stderr.isatty() or sum(path.stat().st_size for path in known) < LARGE:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def told(done: int, total: int) -> None:
            whole = total and done >= 0.99 * total  # the last call comes before the last packets
            bar.update(task, completed=done, total=total or None, description="sorting" if whole else "reading")

        yield told
