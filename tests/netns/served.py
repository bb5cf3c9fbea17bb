"""Recordings of the lab's other servers, replayed by a thousand users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from capturing import lacking
from sending import BY_NAME, intercepted, start

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.servers.daemon import Daemon
from gryphon.lab.wiring import SERVER_V4

USERS = 1000

AnyDaemon = TypeVar("AnyDaemon", bound=Daemon)


@contextmanager
def running(server: AnyDaemon) -> Iterator[AnyDaemon]:
    """The server; where it is not installed the test is skipped, and fails on a CI machine."""
    with ExitStack() as stack:
        try:
            stack.enter_context(server)
        except EnvironmentFault as fault:
            if "not installed" not in str(fault):
                raise
            lacking(str(fault))
        yield server


def replay(
    lab: Lab,
    path: Path,
    port: int,
    *more: str,
    topology: str = "local",
    users: int = USERS,
    clients: str = "10.17.15.*",
) -> Any:
    """Replay the file; the result, of which every user has completed and no answer was of another size."""
    line = ["send", "-x", f"{port}-{SERVER_V4}:{port}", "-f", str(path), "-s", BY_NAME[topology].intercept]
    with intercepted(lab, topology):
        run = start(lab, [*line, "-u", str(users), "-c", clients, *more])
        assert run.finish() == 0, run.text
    assert run.result["users"]["completed"] == users, run.text
    assert run.result["sessions"]["rejected"] == dict.fromkeys(run.result["sessions"]["rejected"], 0)
    assert run.result["messages"]["mismatched"] == 0, run.text
    return run.result
