"""The ``gryphon send`` line for a capture; what cannot be known is a word in capitals."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from gryphon.sender.capture.recording import Rules
from gryphon.sender.inspect.services import Service

HINTS = {
    "SERVER": "the server under test, an address",
    "INTERCEPT": "where gryphon-intercept runs, or xdp:eth0 on this host",
    "RANGE": "forged addresses, which nobody has, such as '10.17.15.*'",
}
"""What stands for each placeholder."""


def suggest(
    services: Sequence[Service], files: Sequence[str], ports: Mapping[int, str | None] | None, rules: Rules
) -> str | None:
    """Replay each session once: of the chosen ports, or else of the busiest; None when nothing is replayable."""
    replayable: dict[int, int] = {}
    for service in services:  # send goes by the port, whichever server had it
        if service.replayable:
            replayable[service.port] = replayable.get(service.port, 0) + service.replayable
    if not replayable:
        return None
    chosen = sorted(replayable) if ports else [max(replayable, key=lambda port: (replayable[port], -port))]
    targets = {port: (ports or {}).get(port) or f"SERVER:{port}" for port in chosen}
    words = ["gryphon", "send", "-x", ",".join(f"{port}-{target}" for port, target in targets.items())]
    words += ["-f", ",".join(name.replace(",", "?") if len(files) > 1 else name for name in files), "-s", "INTERCEPT"]
    words += ["-u", str(sum(replayable[port] for port in chosen)), "-c", "RANGE"]
    words += ["--hold", "forever"] if rules.keep_silent else []
    words += ["--allow-encrypted"] if rules.allow_encrypted else []
    return shlex.join(words)


def placeholders(line: str) -> dict[str, str]:
    """What is to be filled into a suggested line, and with what."""
    words = shlex.split(line)
    return {
        name: hint
        for name, hint in HINTS.items()
        if name in words or (name == "SERVER" and any("-SERVER:" in word for word in words[3:4]))
    }
