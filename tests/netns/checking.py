"""`gryphon check` as a process on the lab's hosts, for the tests of misconfigured hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sending import TOKEN

from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.wiring import SERVER_V4, HostName

RANGE = "10.17.15.0/24"
RUN = ["-x", f"80-{SERVER_V4}:80", "-c", "10.17.15.*"]


@dataclass(frozen=True)
class Checked:
    """What a check has said."""

    status: int
    text: str
    document: Any

    @property
    def bad(self) -> list[str]:
        """What is to mend: point, what was seen and the command."""
        return [
            f"{row['point']}: {row['seen']} -> {row['mend']}"
            for row in self.document["points"]
            if row["verdict"] == "not" and row["needed"]
        ]

    @property
    def canary(self) -> Any:
        """The one canary."""
        (flown,) = self.document["canaries"]
        return flown

    def cause(self, words: str) -> tuple[int, str]:
        """The place from 1 of the cause that says so, and its mending command."""
        for place, cause in enumerate(self.canary["causes"], 1):
            if words in cause["sentence"]:
                return place, cause["mend"]
        raise AssertionError(f"no cause says '{words}': {self.text}")


def check(lab: Lab, host: HostName, *words: str, before: Sequence[str] = ()) -> Checked:
    """Run it to its end."""
    result = lab.directory / "check.json"
    result.unlink(missing_ok=True)
    line = [*before, script("gryphon"), "check", *words, "--token", TOKEN, "--json", str(result)]
    done = lab.run(host, line, check=False, timeout=60)
    assert result.exists(), done.stdout + done.stderr
    return Checked(done.returncode, done.stdout + done.stderr, json.loads(result.read_text()))


@contextmanager
def sysctl(lab: Lab, host: HostName, name: str, value: int) -> Iterator[None]:
    """A setting of a host, and what it was before afterwards."""
    before = lab.run(host, ["sysctl", "-n", name]).stdout.strip()
    lab.run(host, ["sysctl", "-q", "-w", f"{name}={value}"])
    try:
        yield
    finally:
        lab.run(host, ["sysctl", "-q", "-w", f"{name}={before}"])


@contextmanager
def changed(lab: Lab, host: HostName, there: str, back: str) -> Iterator[None]:
    """One `ip` command on a host, and another afterwards."""
    lab.run(host, ["ip", *there.split()])
    try:
        yield
    finally:
        lab.run(host, ["ip", *back.split()])


@contextmanager
def ruled(lab: Lab, rule: str) -> Iterator[None]:
    """One rule of nftables for what comes to the server."""
    chain = f"chain incoming {{\ntype filter hook input priority 0\n{rule}\n}}"
    lab.run("server", [tool("nft"), "-f", "-"], text=f"table inet canary {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        lab.run("server", [tool("nft"), "delete", "table", "inet", "canary"])
