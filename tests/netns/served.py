"""Recordings of the lab's other servers, replayed by a thousand users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from capturing import lacking
from sending import BY_NAME, intercepted, start

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import recorded
from gryphon.lab.servers.daemon import Daemon
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

USERS = 1000
SUBSCRIBERS = 24
NEWS = ("first", "second", "third")

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


def record_news(
    lab: Lab,
    port: int,
    subscribe: Sequence[str],
    subscribed: Callable[[], bool],
    publish: Sequence[str],
    said: Sequence[str] = NEWS,
) -> Path:
    """Subscribers that each receive what one publisher says 2.5 s after they came, and go 2 s later.

    The first 1,000 users come within a second: all subscribers are there at the first message and at the last.

    Args:
        lab: where a server listens on this port.
        port: its port.
        subscribe: the line of a subscriber, who prints what it receives.
        subscribed: whether all of them are there.
        publish: the line of the publisher, who takes a line for each message.
        said: these lines; each ends with the text of its message.
    """
    path = lab.directory / "news.pcap"
    says = "".join(f"sleep 0.2; echo {line}; " for line in said)
    outputs = [lab.directory / f"subscriber.{number}" for number in range(SUBSCRIBERS)]
    with recorded(lab, path, port, SUBSCRIBERS + 1):
        subscribers = []
        for output in outputs:
            with output.open("wb") as file:
                subscribers.append(lab.popen("sender", subscribe, stdout=file))
        until("the subscribers", subscribed)
        lab.run("sender", ["/bin/sh", "-c", f'(sleep 2; {says} sleep 0.2) | "$0" "$@"', *publish])
        until("the last message", lambda: all(NEWS[-1] in output.read_text() for output in outputs))
        lab.run("sender", ["sleep", "1.5"])
        for subscriber in subscribers:
            lab.end(subscriber)
    return path
