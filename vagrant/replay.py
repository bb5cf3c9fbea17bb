"""The README's commands on the three machines, and the counts of nginx beside gryphon's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from vagrant.machine import Machine, Running

USERS = 1000
SEND = "gryphon send -x {service} -f ./{file} -s {intercept} -u {users} -a 2 -c '{clients}'"
"""The line of the README."""
Way = tuple[str, str]
V4, V6 = ("80-10.16.15.118:80", "10.17.15.*"), ("80-[fd16:15::118]:80", "fd17:15::/116")
"""What is asked for, and by whom."""


class Run(NamedTuple):
    """What came of `gryphon send`."""

    status: int
    text: str
    result: dict[str, Any]
    requests: int
    """From forged addresses, as nginx logged them during the run."""

    @property
    def completed(self) -> int:
        return int(self.result["users"]["completed"])

    def assert_whole(self, users: int = USERS, requests: int = 2) -> None:
        """Every user was served to the end, by both counts."""
        assert (self.status, self.completed) == (0, users), self.text
        assert not any(self.result["users"]["failed"].values()), self.text
        assert self.requests == users * requests, self.text


class Intercept(NamedTuple):
    """One that is attached and listens."""

    running: Running
    token: str
    line: str
    """Which it said then."""


@contextmanager
def intercepting(machine: Machine, options: str) -> Iterator[Intercept]:
    """`sudo gryphon-intercept OPTIONS` until the block ends; then by Ctrl-C, twice."""
    with machine.running(f"gryphon-intercept {options}") as running:
        line = running.wait_for(r"token \S+")
        found = re.search(r"token (\S+)", line)
        assert found is not None
        yield Intercept(running, found[1].rstrip(".,;"), line)
        running.signal("INT")
        running.wait_for("Ctrl-C again", or_end=True)
        running.signal("INT")
        running.wait()
    left = machine.run("ip link show eth1; /sbin/tc filter show dev eth1 egress")
    assert "prog/xdp" not in left, left
    assert "gryphon" not in left, left
    assert machine.run("sudo sh -c 'ls /sys/fs/bpf/gryphon 2>/dev/null; true'") == ""


def send(
    machines: dict[str, Machine],
    file: str,
    intercept: str,
    *,
    token: str = "",
    more: str = "",
    users: int = USERS,
    way: Way = V4,
) -> Run:
    """Runs `gryphon send` on the sender to its end."""
    sender, server = machines["sender"], machines["server"]
    before = server.requests()
    line = SEND.format(service=way[0], file=file, intercept=intercept, users=users, clients=way[1])
    variable = f"GRYPHON_TOKEN={token} " if token else ""
    sender.run("rm -f result.json")
    done = sender.ask(f"sudo {variable}{line} {more} --json result.json 2>&1", seconds=600)
    result = sender.ask("cat result.json").stdout
    return Run(done.returncode, done.stdout, json.loads(result) if result else {}, server.requests() - before)
