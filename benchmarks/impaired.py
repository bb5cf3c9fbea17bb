"""1,000 users over a bad path, by kind of trouble and direction: `sudo .venv/bin/python -m benchmarks.impaired`.

Small pages of real nginx, `-t 300`, nginx's own timeouts at an hour; local topology, seeded. Prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
from contextlib import ExitStack
from typing import Any

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.impair import Impairment
from gryphon.lab.recording import Recording, Visit, record
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.wiring import HostName

VISITS = (
    Visit("keep-alive", ("/", "/style.css", "/news.html", "/photo.jpg")),
    Visit("update", ("/news.html", "/news.html?page=2")),
    Visit("glance", ("/",)),
    Visit("photo", ("/photo.jpg",)),
)
WAYS: dict[str, tuple[HostName, ...]] = {
    "to server": ("sender",),
    "to users": ("server",),
    "both": ("sender", "server"),
}
KINDS = ("loss", "duplicate", "reorder")


def _run(
    lab: Lab, recording: Recording, hosts: tuple[HostName, ...], shares: dict[str, float], users: int
) -> tuple[Any, int]:
    """The result of one run, and how many packets were dropped."""
    result = lab.directory / "impaired.json"
    line = [*options(recording, "xdp:eth0", users), "-a", "max", "-t", "300", "--fail-if", "none"]
    with ExitStack() as stack:
        ways = [stack.enter_context(Impairment(lab, host, PORT, seed=11, **shares)) for host in hosts]  # type: ignore[arg-type]
        lab.run("sender", [script("gryphon"), *line, "--json", str(result)], timeout=400, check=False)
    return json.loads(result.read_text()), sum(way.counts.dropped for way in ways)


def _row(
    lab: Lab, nginx: Nginx, recording: Recording, kinds: tuple[str, ...], way: str, share: float, users: int
) -> str:
    before = nginx.mark()
    result, dropped = _run(lab, recording, WAYS[way], dict.fromkeys(kinds, share), users)
    served = nginx.since(before, patience=10).requests
    asked = len(list(recording.replayed(users)))
    found, messages = result["users"], result["messages"]
    cells = [
        " + ".join(kinds),
        way,
        f"{share:.0%}",
        f"{found['completed']:,}",
        f"{found['failed']['timeout']:,}",
        f"{served:,} of {asked:,}",
        f"{messages['mismatched']:,}",
        f"{result['packets']['retransmitted']:,}",
        f"{dropped:,}",
        f"{result['latency_ms']['response']['service']['p99']:,.0f}",
        f"{result['duration_s']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Print a row for each combination."""
    chosen = argparse.ArgumentParser(description=__doc__)
    chosen.add_argument("--users", type=int, default=1000)
    chosen.add_argument("--shares", default="0.01,0.05,0.1")
    given = chosen.parse_args()
    print(
        "| trouble | direction | share | completed | timeout | requests served | differing | resent | dropped | "
        "response p99, ms | s |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    with Lab() as lab, Nginx(lab) as nginx:
        lab.route_forged("sender")
        recording = record(lab, nginx, lab.directory / "impaired.pcap", visits=VISITS)
        shares = [float(share) for share in given.shares.split(",")]
        for kinds, way, share in itertools.product([("loss",), ("duplicate",), ("reorder",), KINDS], WAYS, shares):
            print(_row(lab, nginx, recording, kinds, way, share, given.users), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
