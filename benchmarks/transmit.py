"""What each transmitter costs a packet, by packets in one call, and the bare loop of live frames beside them.

`python -m benchmarks.transmit`: on the lab's sender, against a server whose interface counts and drops (XDP). On veth
that, and the receiving interface's work, is done in the sender's own system calls, for every transmitter alike.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from gryphon.bpf import live, loader, syscall
from gryphon.controller.errors import EnvironmentFault, Fault, InputFault
from gryphon.controller.record import Option
from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until
from gryphon.lab.wiring import LINKS
from gryphon.sender.replay.packet import PACKET, Packets
from gryphon.sender.transmit.hops import Hop
from gryphon.sender.transmit.interface import Target, Transmitter
from gryphon.sender.transmit.link import LinkTransmitter
from gryphon.sender.transmit.raw import RawTransmitter
from gryphon.sender.transmit.xdp import XdpTransmitter
from gryphon.sender.transmit.xdp_anchor import anchor
from gryphon.sender.transmit.xdp_program import KERNEL_BATCH

PROGRAM = Path(__file__).with_suffix(".bpf.c")
SENDER, SERVER = LINKS[0]
NAMES = ("raw", "link", "xdp", "bare")
_NATIVE = 4  # XDP_FLAGS_DRV_MODE

Send = Callable[[Packets], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when all packets arrived, 1 when not, 2 and 3 as gryphon itself."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transmit", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--batches", default="1,16,64,256,1024,4096", help="packets in one call, several by comma")
    parser.add_argument("--payload", type=int, default=75, help="bytes of each packet (default 75)")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each transmitter at each turn (default 0.2)")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--core", type=int, default=1, help="the only core that sends (default 1)")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--swallow", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if options.swallow:
            return _swallow(options.swallow)
        return _inside(options) if options.inside else _outside(options, list(arguments or sys.argv[1:]))
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3


def _outside(options: argparse.Namespace, arguments: list[str]) -> int:
    """The lab with the server's end; the sender is a process of its own."""
    print(measure.environment_line(), flush=True)
    line = [sys.executable, "-m", "benchmarks.transmit"]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with Lab() as lab:
        ready = lab.directory / "swallow.ready"
        counting = lab.popen(
            "server", [*line, "--swallow", str(ready)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, environment=path
        )
        until("the server's end to be ready", lambda: ready.exists() or counting.poll() is not None, seconds=30)
        sender = lab.popen("sender", [*line, *arguments, "--inside"], stdout=subprocess.PIPE, environment=path)
        said = sender.communicate(timeout=600)[0]
        if sender.returncode:
            raise EnvironmentFault(f"the sending process ended with status {sender.returncode}; it says above why")
        report = json.loads(said)
        counting.terminate()
        report["arrived"] = int(counting.communicate(timeout=30)[0] or 0)
    _show(options, report)
    if options.json:
        options.json.write_text(json.dumps(measure.environment() | report, indent=2) + "\n")
    return 0 if report["arrived"] == report["sent"] else 1


def _show(options: argparse.Namespace, report: dict[str, Any]) -> None:
    """Tables of CPU microseconds a packet and of packets a second, by batch."""
    for title, key in ((f"CPU us a packet of {options.payload} bytes", "cpu"), ("packets/s", "rate")):
        rows = []
        for batch, costs in report["runs"].items():
            figures = [measure.figure([run[key] for run in costs[name]], 3 if key == "cpu" else 0) for name in NAMES]
            shares = [x["rate"] / bare["rate"] * 100 for x, bare in zip(costs["xdp"], costs["bare"], strict=True)]
            rows.append([f"  {batch} in a call", *figures, measure.figure(shares)])
        print(measure.table([title, *NAMES, "xdp's rate, % of bare"], rows))
    print(f"{report['arrived']:,} of {report['sent']:,} packets arrived; refused: {report['errors'] or 'none'}")


def _inside(options: argparse.Namespace) -> int:
    """The sending process: transmitters take turns; one line of JSON."""
    os.sched_setaffinity(0, {options.core})
    batches = [int(text) for text in options.batches.split(",")]
    packets = _packets(max(batches), options.payload)
    runs: dict[int, dict[str, list[dict[str, float]]]] = {batch: {name: [] for name in NAMES} for batch in batches}
    sent = 0
    with _opened(options.payload) as (sends, transmitters):
        for _ in range(options.runs):
            for batch in batches:
                for name in NAMES:
                    figures, number = _measured(sends[name], packets[:batch], options.seconds)
                    runs[batch][name].append(figures)
                    sent += number
        errors = {name: made.errors() for name, made in transmitters.items() if made.errors()}
    print(json.dumps({"runs": runs, "sent": sent, "errors": errors}))
    return 0


def _packets(count: int, payload: int) -> Packets:
    """Data of as many users, with timestamps."""
    packets = np.zeros(count, PACKET)
    packets["source_lo"] = np.arange(count, dtype=np.uint64) % 65_000 + np.uint64(0xFFFF_0A11_0001)
    packets["port"], packets["flags"], packets["length"] = 33_000, 0x18, payload
    packets["options"] = int(Option.TIMESTAMP)
    return packets


@contextmanager
def _opened(payload: int) -> Iterator[tuple[dict[str, Send], dict[str, Transmitter]]]:
    """Every transmitter, and the bare loop."""
    index = socket.if_nametoindex(SENDER.interface)
    own, next_hop = (bytes.fromhex(end.mac.replace(":", "")) for end in (SENDER, SERVER))
    targets, hops = (
        [Target(IPv4Address(SERVER.v4), 80, 0)],
        [Hop(SENDER.interface, index, own, next_hop, 1500, index, ())],
    )
    bytes_sent = np.zeros(max(payload, 1), np.uint8)
    with ExitStack() as undo:
        made: dict[str, Transmitter] = {
            "raw": undo.enter_context(closing(RawTransmitter(targets, bytes_sent))),
            "link": undo.enter_context(closing(LinkTransmitter(targets, bytes_sent, hops))),
            "xdp": undo.enter_context(closing(XdpTransmitter(targets, bytes_sent, hops, batch=4096))),
        }
        sends = {name: _sending(transmitter) for name, transmitter in made.items()}
        yield sends | {"bare": undo.enter_context(_bare(index, 14 + 52 + payload))}, made


def _sending(transmitter: Transmitter) -> Send:
    def send(packets: Packets) -> None:
        taken = transmitter.send(packets)
        while taken < packets.size:
            transmitter.wait_writable(0.01)
            taken += transmitter.send(packets[taken:])

    return send


@contextmanager
def _bare(index: int, length: int) -> Iterator[Send]:
    """Live frames that no program changes or looks at."""
    module = loader.compile(PROGRAM, {"DEVICE": index})
    program = module.load(syscall.XDP, "bare", "benchmark_bare")
    run = live.LiveRun(program, length, KERNEL_BATCH)
    with anchor(program):
        yield lambda packets: _check(run.run(packets.size))
    os.close(program)
    module.close()


def _check(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))


def _measured(send: Send, packets: Packets, seconds: float) -> tuple[dict[str, float], int]:
    """CPU and packets a second of so many seconds, and how many were sent."""
    send(packets)
    calls, cpu, begun = 0, time.process_time(), time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        send(packets)
        calls += 1
    sent = calls * packets.size
    return {"cpu": (time.process_time() - cpu) / sent * 1e6, "rate": sent / passed}, sent + packets.size


def _swallow(ready: Path) -> int:
    """The server's end: counts and drops until it is ended, then prints how many packets there were."""
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    module = loader.compile(PROGRAM, {"DEVICE": 0})
    program = module.load(syscall.XDP, "swallow", "bench_swallow")
    link = syscall.xdp_link(program, socket.if_nametoindex(SERVER.interface), _NATIVE)
    ready.write_text("ready\n")
    signal.sigwait({signal.SIGTERM})
    raw = module.maps["swallowed"].get(bytes(4)) or b""
    print(sum(struct.unpack(f"={len(raw) // 8}Q", raw)))
    os.close(link)
    return 0


if __name__ == "__main__":
    sys.exit(measure.in_order(main))
