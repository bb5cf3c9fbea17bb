"""The engine alone, in memory, against a model server in numpy: `python -m benchmarks.engine`. Needs no root."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from gryphon.controller.record import RECORD
from gryphon.sender.capture.recording import MESSAGE, SESSION
from gryphon.sender.replay.addresses import BLOCK
from gryphon.sender.replay.arrivals import Arrivals
from gryphon.sender.replay.engine import Engine, Plan
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.script import Columns, Script, compile_script

REQUEST, ANSWER, REQUESTS = 75, 160, 3
STEP_NS = 200_000
SLICE = 4096


def script() -> Script:
    """One session of three requests without pauses, closed by the client."""
    sessions, messages = np.zeros(1, SESSION), np.zeros(REQUESTS + 1, MESSAGE)
    sessions["server_port"], sessions["length"], sessions["messages"], sessions["end"] = 80, 3 * REQUEST, REQUESTS, 1
    messages["stream_end"] = np.minimum(np.arange(1, REQUESTS + 2), REQUESTS) * REQUEST
    messages["expect"][1:] = ANSWER
    messages["settle_ns"] = 200_000_000
    return compile_script(Columns(sessions, messages, np.zeros(3 * REQUEST, np.uint8)), {80: 0}, 1.0)


def answers(packets: Any, now: int) -> Any:
    """What a server without a state says to packets: SYN-ACK, answer, FIN."""
    heard = packets[((packets["flags"] & 3) != 0) | (packets["length"] > 0)]
    syn, fin = (heard["flags"] & 2) != 0, (heard["flags"] & 1) != 0
    records = np.zeros(len(heard), RECORD)
    for ours, theirs in (("address_hi", "source_hi"), ("address_lo", "source_lo"), ("port", "port")):
        records[ours] = heard[theirs]
    records["time_ns"] = now
    records["seq"] = np.where(syn, 7, heard["ack"])
    records["ack"] = heard["seq"] + heard["length"] + syn + fin
    records["length"] = np.where(heard["length"] > 0, ANSWER, 0)
    records["flags"] = np.where(syn, 18, np.where(fin, 17, 24))
    records["window"], records["generation"], records["version"], records["mss"] = 65535, 1, 4, 1460
    records["options"] = np.where(syn, 1, 0)
    return records


def _plan(users: int, rate: float) -> Plan:
    blocks = np.zeros(1, BLOCK)
    blocks[0] = (0, 0xFFFF_0A11_0001, 65534, 0)
    return Plan(users=users, arrivals=Arrivals(((0.0, rate),)), blocks=blocks, services=[0], generation=1)


def run(users: int, rate: float) -> tuple[float, int, bool]:
    """Microseconds of the engine per client packet, packets, and whether everybody completed."""
    engine = Engine(script(), _plan(users, rate), epoch_ns=0)
    now, spent, sent = 0, 0, 0
    records = np.zeros(0, RECORD)
    while not engine.finished:
        replies = [np.zeros(0, RECORD)]
        while True:
            begun = time.thread_time_ns()
            packets = engine.step(now, records[:SLICE])
            spent += time.thread_time_ns() - begun
            records = records[engine.consumed :]
            sent += len(packets)
            replies.append(answers(packets, now))
            if len(records) == 0:
                break
        records = np.concatenate(replies)
        now += STEP_NS
    return spent / sent / 1000, sent, bool(engine.counters[Counter.COMPLETED] == users)


def main() -> int:
    """Print the minimum, median and maximum of several runs for each number of users."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--users", default="200000,2000000", help="several by comma")
    options.add_argument("--runs", type=int, default=3)
    chosen = options.parse_args()
    run(1000, 100_000)
    everybody = True
    for users in map(int, chosen.users.split(",")):
        runs = [run(users, users / 2) for _ in range(chosen.runs)]
        costs = sorted(cost for cost, _, _ in runs)
        everybody = everybody and all(completed for _, _, completed in runs)
        spread = f"{costs[len(costs) // 2]:.3f} ({costs[0]:.3f} to {costs[-1]:.3f}) us a client packet"
        print(f"{users:,} users, {runs[0][1]:,} packets: {spread}")
    return 0 if everybody else 1


if __name__ == "__main__":
    raise SystemExit(main())
