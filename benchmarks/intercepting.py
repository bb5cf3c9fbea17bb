"""What interception costs: `python -m benchmarks.intercepting`, beside what does least, and beside NFQUEUE.

Live frames (BPF_PROG_RUN) make answers to 65,536 forged addresses, without a system call or a socket for each. *xdp*:
they are redirected to the server's interface over veth, where the interception or a bare XDP_DROP takes them. *tc*:
they enter the server's stack at its loopback and are turned out through its interface, as cheap as a packet can
be sent by the kernel, so that the filter is as much of the cost as it can be; there the interception or a bare STOLEN
takes them. *NFQUEUE*: they enter in the same way and go to a reader on the other core, which always has work.
The generator has one core, the interception's reader (or NFQUEUE's) the other.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import measure, queueing
from benchmarks.inside import inside
from gryphon.bpf import live, loader, syscall
from gryphon.controller.errors import EnvironmentFault, Fault, InputFault
from gryphon.controller.interception import Interception
from gryphon.lab import needs
from gryphon.lab.commands import interception
from gryphon.lab.hosts import Lab
from gryphon.lab.topologies import TOPOLOGIES
from gryphon.lab.waiting import until
from gryphon.lab.wiring import FORGED_V4, SERVER_V4, HostName
from gryphon.sender.transmit.xdp_anchor import anchor
from gryphon.sender.transmit.xdp_program import KERNEL_BATCH

PROGRAM = Path(__file__).with_suffix(".bpf.c")
ROWS = {
    "xdp: bare XDP_DROP, packets/s": 0,
    "xdp: interception, packets/s": 0,
    "  % of bare": 1,
    "  % of bare, by the generator's CPU time": 1,
    "tc: bare STOLEN, packets/s": 0,
    "tc: interception, packets/s": 0,
    "   % of bare": 1,
    "   % of bare, by the generator's CPU time": 1,
    "NFQUEUE reader, packets/s": 0,
    "xdp: times NFQUEUE": 1,
    "tc: times NFQUEUE": 1,
    "% that did not reach the hook, at most": 1,
    "ring full (must be 0)": 0,
    "not recorded (must be 0)": 0,
    "idle gryphon-intercept --xdp, % of a core": 2,
    "idle gryphon-intercept --tc, % of a core": 2,
}
Figures = dict[str, float]


class Rate(NamedTuple):
    """Packets that arrived, by time and by CPU time of the generator, which on a busy machine says more."""

    packets: float
    by_cpu: float
    lost: float
    """Of those sent, the share that never reached the hook: a full veth ring drops."""


_CALL = 4096
_LONGEST_QUEUE = 16_384
_CORE = 1
_NATIVE = 4  # XDP_FLAGS_DRV_MODE
_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3  # TC_H_CLSACT with TC_H_MIN_INGRESS, TC_H_MIN_EGRESS


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
    lost = [0, 0]
    bare: dict[str, Rate] = {}
    ours: dict[str, Rate] = {}
    with _generator(lab, "sender", "leave") as run:
        with _bare_xdp(lab) as arrived:
            bare["xdp"] = _rate(run, seconds, arrived)
        ours["xdp"] = _intercepted(lab, "xdp", run, seconds, lost)
    with _generator(lab, "server", "enter") as run:
        with inside(lab, "server"), _turned(), _bare_tc() as arrived:
            bare["tc"] = _rate(run, seconds, arrived)
        with inside(lab, "server"), _turned():
            ours["tc"] = _intercepted(lab, "tc", run, seconds, lost)
        queue = _queued(lab, run, seconds)
    figures = {
        "xdp: bare XDP_DROP, packets/s": bare["xdp"].packets,
        "tc: bare STOLEN, packets/s": bare["tc"].packets,
        "NFQUEUE reader, packets/s": queue,
        "% that did not reach the hook, at most": max(each.lost for each in (*bare.values(), *ours.values())) * 100,
        "ring full (must be 0)": lost[0],
        "not recorded (must be 0)": lost[1],
    }
    for hook, indent in (("xdp", "  "), ("tc", "   ")):
        figures[f"{hook}: interception, packets/s"] = ours[hook].packets
        figures[f"{indent}% of bare"] = ours[hook].packets / bare[hook].packets * 100
        figures[f"{indent}% of bare, by the generator's CPU time"] = ours[hook].by_cpu / bare[hook].by_cpu * 100
        figures[f"{hook}: times NFQUEUE"] = ours[hook].packets / queue
    return figures


def _frame() -> tuple[bytes, int]:
    """An answer of a service with its timestamps and no payload, and the sum that its program goes on with.

    The destination MAC is the loopback's, so that the stack takes it for its own; veth and XDP do not care.
    """
    network = FORGED_V4.network_address.packed
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 52, 1, 0x4000, 64, 6, 0, IPv4Address(SERVER_V4).packed, network)
    tcp = struct.pack("!HHIIBBHHHBBII", 80, 33_000, 1, 1, 8 << 4, 0x10, 500, 0, 0, 1, 1, 0, 0)[:20]
    options = struct.pack("!BBBBII", 1, 1, 8, 10, 7, 7)
    return bytes(12) + b"\x08\x00" + ip + tcp + options, sum(struct.unpack("=10H", ip))


@contextmanager
def _generator(lab: Lab, host: HostName, function: str) -> Iterator[Callable[[int], None]]:
    """What sends so many answers, from one core."""
    frame, words = _frame()
    with inside(lab, host), ExitStack() as undo:
        module = loader.compile(PROGRAM, {"DEVICE": socket.if_nametoindex("eth0"), "SUM": words})
        undo.callback(module.close)
        program = module.load(syscall.XDP, function, f"bench_{function}")
        undo.callback(os.close, program)
        made = live.LiveRun(program, len(frame), KERNEL_BATCH, frame)
        undo.enter_context(anchor(program))

        def run(frames: int) -> None:
            number = made.run(frames)
            if number:
                raise EnvironmentFault(f"The kernel does not run live frames: {os.strerror(number)}.")

        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {_CORE})
        undo.callback(os.sched_setaffinity, 0, own)
        yield run


def _rate(run: Callable[[int], None], seconds: float, arrived: Callable[[], int]) -> Rate:
    run(_CALL)
    sent, before, cpu, begun = 0, arrived(), time.thread_time(), time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        run(_CALL)
        sent += _CALL
    used, taken = time.thread_time() - cpu, arrived() - before
    if not taken:
        raise EnvironmentFault("No packet reached the hook: the figures would be those of packets that went nowhere.")
    return Rate(taken / passed, taken / used, max(0.0, 1 - taken / sent))


def _loaded(kind: int, function: str) -> tuple[loader.Module, int]:
    module = loader.compile(PROGRAM, {"DEVICE": socket.if_nametoindex("eth0"), "SUM": 0})
    return module, module.load(kind, function, f"bench_{function}")


def _counted(module: loader.Module) -> int:
    raw = module.maps["arrived"].get(bytes(4)) or b""
    return sum(struct.unpack(f"={len(raw) // 8}Q", raw))


@contextmanager
def _bare_xdp(lab: Lab) -> Iterator[Callable[[], int]]:
    """At the server's interface; the generator's own calls are made from the sender's network."""
    with inside(lab, "server"):
        module, program = _loaded(syscall.XDP, "drop")
        link = syscall.xdp_link(program, socket.if_nametoindex("eth0"), _NATIVE)
    try:
        yield lambda: _counted(module)
    finally:
        os.close(link)
        os.close(program)
        module.close()


@contextmanager
def _bare_tc() -> Iterator[Callable[[], int]]:
    with _filter("eth0", "steal", _EGRESS) as module:
        yield lambda: _counted(module)


@contextmanager
def _turned() -> Iterator[None]:
    with _filter("lo", "turn", _INGRESS):
        yield


@contextmanager
def _filter(interface: str, function: str, parent: int) -> Iterator[loader.Module]:
    """A tc filter at a clsact that is made for it."""
    from pyroute2 import IPRoute

    module, program = _loaded(syscall.SCHED_CLS, function)
    index = socket.if_nametoindex(interface)
    with IPRoute() as route:
        route.tc("add", "clsact", index)
        try:
            bound: dict[str, Any] = {"fd": program, "name": function, "parent": parent, "direct_action": True}
            route.tc("add-filter", "bpf", index, 1, prio=1, protocol=3, classid=1, **bound)
            yield module
        finally:
            route.tc("del", "clsact", index)
            os.close(program)
            module.close()


def _intercepted(lab: Lab, hook: Any, run: Callable[[int], None], seconds: float, lost: list[int]) -> Rate:
    """Packets a second, with a reader that takes all; adds what was lost."""
    with inside(lab, "server"):
        made = Interception.attach(hook, "eth0", xdp_mode="native" if hook == "xdp" else "auto")
    try:
        made.add_service(IPv4Address(SERVER_V4), 80)
        made.add_range(IPv4Network(FORGED_V4), 1, time.monotonic_ns() + 600 * 10**9)
        before = made.counters()
        with _reading(made) as taken:
            rate = _rate(run, seconds, lambda: made.counters().matched)
        counts = made.counters()
        lost[0] += counts.ring_full - before.ring_full
        lost[1] += counts.matched - before.matched - taken[0]
    finally:
        with inside(lab, "server"):
            made.detach()
    return rate


@contextmanager
def _reading(made: Interception) -> Iterator[list[int]]:
    """The controller's ring is read by a process on the other core; how many records it took is there at the end.

    A thread would take turns with the generator at the interpreter's lock.
    """
    taken: list[int] = []
    told, tell = os.pipe()
    heard, say = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(tell)
            os.write(say, struct.pack("=q", _read(made, told)))
        finally:
            os._exit(0)
    for end in (told, say):
        os.close(end)
    try:
        yield taken
    finally:
        os.close(tell)
        raw = os.read(heard, 8)
        taken.append(int(struct.unpack("=q", raw)[0]) if len(raw) == 8 else 0)
        os.close(heard)
        os.waitpid(child, 0)


def _read(made: Interception, told: int) -> int:
    """Takes records until the other end of the pipe is closed, also by its owner's death; their number."""
    os.sched_setaffinity(0, {0})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    taken, last = 0, False
    while True:
        number = made.ring.read().size
        taken += number
        if number:
            continue
        if last:
            return taken
        last = bool(select.select([told], [], [], 0.0002)[0])


def _queued(lab: Lab, run: Callable[[int], None], seconds: float) -> float:
    """What an NFQUEUE reader takes a second while the generator keeps its queue filled."""
    counter = lab.directory / "taken"
    counter.write_bytes(struct.pack("=q", -1))
    rule = [needs.tool("iptables-legacy"), "-t", "raw", "-A", "PREROUTING", "-i", "lo", "-p", "tcp", "--sport", "80"]
    lab.run("server", [*rule, "-j", "NFQUEUE", "--queue-num", "0"])
    line = [sys.executable, str(Path(queueing.__file__)), str(counter)]
    reader = lab.popen("server", line, stdout=subprocess.DEVNULL)

    def taken() -> int:
        if reader.poll() is not None:
            raise EnvironmentFault("The NFQUEUE reader ended; it says above why.")
        return int(struct.unpack("=q", counter.read_bytes())[0])

    until("the NFQUEUE reader to be ready", lambda: taken() == 0)
    sent, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        if sent - taken() < _LONGEST_QUEUE:
            run(KERNEL_BATCH)
            sent += KERNEL_BATCH
        else:
            time.sleep(0.001)
    rate = taken() / passed
    lab.end(reader)
    return rate


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
