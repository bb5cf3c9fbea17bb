"""Runs that something happens to: started at a known load, watched until they end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sending import Run, intercepted, long_run

from gryphon.lab.hosts import Lab
from gryphon.lab.impair import Impairment
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx

CHANNEL = 36524
USERS = 2000
"""Of a run in its middle: a hundred a second, so twenty seconds if nothing happens."""


class Ended:
    """How a run ended after its fault."""

    def __init__(self, run: Run, began: float, status: int) -> None:
        self.status = status
        self.seconds = time.monotonic() - began
        self.text = run.text
        self.result: Any = run.result if run.json.exists() else {}

    @property
    def failed(self) -> dict[str, int]:
        return {reason: number for reason, number in self.result["users"]["failed"].items() if number}

    @property
    def completed(self) -> int:
        return int(self.result["users"]["completed"])

    def __str__(self) -> str:
        users = self.result.get("users")
        if not users:
            return f"status {self.status} after {self.seconds:.1f} s"
        lost = self.result["packets"]["ring_lost"]
        failed = ", ".join(f"{number} {reason}" for reason, number in self.failed.items()) or "none"
        return (
            f"status {self.status} {self.seconds:.1f} s after the fault; {users['started']:,} users started, "
            f"{users['completed']:,} completed, failed: {failed}; {lost:,} records lost"
        )


@contextmanager
def remote(lab: Lab, nginx: Nginx, recording: Recording, more: Sequence[str] = ()) -> Iterator[tuple[Run, Any]]:
    """A run in its middle, whose intercept is on the assistant: the channel has a cable of its own."""
    with intercepted(lab, "assistant") as (topology, child):
        run = long_run(lab, nginx, recording, topology.intercept, more)
        try:
            yield run, child
        finally:
            run.child.kill()
            run.child.wait()


def end_of(run: Run, began: float, seconds: float = 60) -> Ended:
    """Waits for it."""
    return Ended(run, began, run.finish(seconds))


@contextmanager
def cut_channel(lab: Lab, loss: float = 1.0) -> Iterator[None]:
    """Loses packets of the channel, in both directions."""
    one = Impairment(lab, "sender", CHANNEL, loss=loss, interface="eth1")
    other = Impairment(lab, "assistant", CHANNEL, loss=loss, interface="eth1", seed=2)
    with one, other:
        yield
