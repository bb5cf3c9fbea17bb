"""The table of loss against completion, `losses.txt`: `.venv/bin/python tests/unit/replay/losses.py` prints it anew."""

from __future__ import annotations

import sys
from pathlib import Path

from test_lossy_network import REQUESTS, simulate

from gryphon.sender.replay.measures import FAILURES, Counter

SNAPSHOT = Path(__file__).with_name("losses.txt")
LOSSES = (0.0, 0.01, 0.05, 0.1, 0.2)
USERS = 20
SEED = 5
_HEAD = "loss  users  completed  timeout  whole streams  packets  resent  resent share  differing answers"


def row(loss: float) -> str:
    """One line: the engine alone against servers behind a network that loses so much in each direction."""
    engine, network, _ = simulate(SEED, loss, USERS)
    count = engine.counters
    whole = sum(len(server.received) == sum(REQUESTS) for server in network.servers.values())
    packets, resent = int(count[Counter.PACKETS_SENT]), int(count[Counter.RETRANSMITTED])
    return (
        f"{loss:4.0%}  {USERS:5}  {count[Counter.COMPLETED]:9}  {count[FAILURES['timeout']]:7}  {whole:13}  "
        f"{packets:7}  {resent:6}  {resent / packets:12.1%}  {count[Counter.MISMATCHED]:17}"
    )


def table() -> str:
    """The whole table."""
    return "\n".join([_HEAD, *(row(loss) for loss in LOSSES)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
