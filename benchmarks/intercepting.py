"""What interception costs: `python -m benchmarks.intercepting`, beside what does least, and beside NFQUEUE.

Live frames (BPF_PROG_RUN) make answers to 65,536 forged addresses, without a system call or a socket for each. *xdp*:
they are redirected to the server's interface over veth, where the interception or a bare XDP_DROP takes them. *tc*:
they enter the server's stack at its loopback and are turned out through its interface, as cheap as a packet can
be sent by the kernel, so that the filter is as much of the cost as it can be; there the interception or a bare STOLEN
takes them. *NFQUEUE*: they enter in the same way and go to a reader on the other core, which always has work.
The generator has one core, the interception's reader (or NFQUEUE's) the other. *Clock and ring alone* is a program that
records when a packet came, and nothing else: no program that records costs less.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

from benchmarks import answers, bare, measure, taking
from benchmarks.answers import Rate
from benchmarks.inside import inside
from gryphon.controller import attach as attaching
from gryphon.controller import egress, xdp
from gryphon.controller.attach import HookName
from gryphon.controller.errors import Fault, InputFault
from gryphon.controller.interception import Interception
from gryphon.lab.commands import interception
from gryphon.lab.hosts import Lab
from gryphon.lab.topologies import TOPOLOGIES
from gryphon.lab.wiring import FORGED_V4, SERVER_V4, HostName

ROWS = {
    "xdp: bare XDP_DROP, packets/s": 0,
    "xdp: clock and ring alone, packets/s": 0,
    "xdp: interception, packets/s": 0,
    "xdp: interception, % of bare": 1,
    "xdp: clock and ring alone, % of bare by CPU time": 1,
    "xdp: interception, % of bare by CPU time": 1,
    "tc: bare STOLEN, packets/s": 0,
    "tc: clock and ring alone, packets/s": 0,
    "tc: interception, packets/s": 0,
    "tc: interception, % of bare": 1,
    "tc: clock and ring alone, % of bare by CPU time": 1,
    "tc: interception, % of bare by CPU time": 1,
    "NFQUEUE reader, packets/s": 0,
    "xdp: times NFQUEUE": 1,
    "tc: times NFQUEUE": 1,
    "% that did not reach the hook, at most": 1,
    "ring full (must be 0)": 0,
    "not recorded (must be 0)": 0,
    "idle gryphon-intercept --xdp, % of a core": 2,
    "idle gryphon-intercept --tc, % of a core": 2,
}
TURN = 0.02
"""Seconds of each program before the next has its turn."""
GENERATORS: dict[HookName, HostName] = {"xdp": "sender", "tc": "server"}
PROGRAMS = {"xdp": (xdp.KIND, xdp.FUNCTION, xdp.NAME), "tc": (egress.KIND, egress.FUNCTION, egress.NAME)}
Figures = dict[str, float]
Run = Callable[[int], None]


class Measured(NamedTuple):
    """A hook's three programs, and what the interception lost."""

    bare: Rate
    least: Rate
    ours: Rate
    ring_full: int
    unrecorded: int


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, 1 when a packet was not recorded, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.intercepting", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each of them in each run (default 1)")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds without traffic (default 10; 0: none)")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    print(measure.environment_line(), flush=True)
    runs: list[Figures] = []
    try:
        for _ in range(options.runs):
            with Lab() as lab:
                runs.append(_one(lab, options.seconds))
        idle = {f"idle gryphon-intercept {hook}, % of a core": _idle(hook, options.idle) for hook in ("--xdp", "--tc")}
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    figures = {name: [run[name] for run in runs if name in run] for name in ROWS}
    figures |= {name: [share] for name, share in idle.items() if options.idle}
    rows = [[name, measure.figure(figures[name], digits)] for name, digits in ROWS.items()]
    print(measure.table([f"{options.runs} runs: median (min to max)", ""], rows))
    if options.json:
        options.json.write_text(json.dumps({"environment": measure.environment(), "figures": figures}, indent=2) + "\n")
    return 0 if not any(run["ring full (must be 0)"] or run["not recorded (must be 0)"] for run in runs) else 1


def _one(lab: Lab, seconds: float) -> Figures:
    """Everything once, in turn."""
    with answers.generator(lab, GENERATORS["xdp"], "leave") as run:
        incoming = _hook(lab, "xdp", run, seconds)
    with answers.generator(lab, GENERATORS["tc"], "enter") as run:
        with inside(lab, "server"), bare.turned():
            outgoing = _hook(lab, "tc", run, seconds)
        queue = taking.queued(lab, run, seconds)
    hooks = {"xdp": incoming, "tc": outgoing}
    figures = {
        "xdp: bare XDP_DROP, packets/s": incoming.bare.packets,
        "tc: bare STOLEN, packets/s": outgoing.bare.packets,
        "NFQUEUE reader, packets/s": queue,
        "% that did not reach the hook, at most": max(rate.lost for hook in hooks.values() for rate in hook[:3]) * 100,
        "ring full (must be 0)": incoming.ring_full + outgoing.ring_full,
        "not recorded (must be 0)": incoming.unrecorded + outgoing.unrecorded,
    }
    for name, hook in hooks.items():
        figures[f"{name}: clock and ring alone, packets/s"] = hook.least.packets
        figures[f"{name}: interception, packets/s"] = hook.ours.packets
        figures[f"{name}: interception, % of bare"] = hook.ours.packets / hook.bare.packets * 100
        for what, rate in (("clock and ring alone", hook.least), ("interception", hook.ours)):
            figures[f"{name}: {what}, % of bare by CPU time"] = rate.by_cpu / hook.bare.by_cpu * 100
        figures[f"{name}: times NFQUEUE"] = hook.ours.packets / queue
    return figures


def _hook(lab: Lab, hook: HookName, run: Run, seconds: float) -> Measured:
    """The interception and the bare programs at its place, in short turns: what else the machine does hits all."""
    with inside(lab, "server"), ExitStack() as undo:
        attached = attaching.attach(hook, "eth0", "native" if hook == "xdp" else "auto", bare.RING_BYTES, 0)
        made = Interception(attached)
        undo.callback(made.detach)
        made.add_service(IPv4Address(SERVER_V4), 80)
        made.add_range(IPv4Network(FORGED_V4), 1, time.monotonic_ns() + 600 * 10**9)
        others = bare.Bare(hook)
        undo.callback(others.close)
        kind, function, name = PROGRAMS[hook]
        ours = attached.module.load(kind, function, name)  # The same once more, to put it back.
        undo.callback(os.close, ours)
        rates = Rate(), Rate(), Rate()
        turns = list(
            zip(
                rates,
                (others.drops, others.records, ours),
                (others.arrived, others.arrived, lambda: made.counters().matched),
                strict=True,
            )
        )
        before = made.counters()
        with taking.reading([made.ring, others.ring]) as taken:
            for _ in range(max(1, round(seconds / TURN))):
                for rate, program, arrived in turns:
                    attached.hook.attach(program)
                    with inside(lab, GENERATORS[hook]):
                        rate.add(run, TURN, arrived)
        counts = made.counters()
    return Measured(*rates, counts.ring_full - before.ring_full, counts.matched - before.matched - taken[0])


def _idle(hook: str, seconds: float) -> float:
    """CPU of a waiting `gryphon-intercept`, in % of a core."""
    if not seconds:
        return 0.0
    topology = next(each for each in TOPOLOGIES if each.interceptor and each.hook == hook)
    environment = os.environ | {"GRYPHON_TOKEN": secrets.token_urlsafe(16)}
    with Lab() as lab, interception(lab, topology, environment, lambda _: None) as process:
        assert process is not None
        time.sleep(1)  # what it does once, at the start, is not idle
        before = measure.cpu_seconds(process.pid)
        time.sleep(seconds)
        return (measure.cpu_seconds(process.pid) - before) / seconds * 100


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
