"""A packet-level TCP server in XDP on one interface of this network namespace, until it is told to stop.

`python -m benchmarks.sink eth0` answers every request to port 80 with the same page, without a state and without
the kernel's TCP: what is measured against it is gryphon, not a server. It answers on the interface itself, so no tc
egress sees the answers: the topology for it is local (`-s xdp:...`). On veth the other end drops what it is sent
unless it has an XDP program: the interception is one; where there is none, `--pass` on that end brings one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gryphon.bpf import loader, syscall
from gryphon.bpf.errors import Fault, InputFault

PROGRAM = Path(__file__).with_name("sink.bpf.c")
ANSWER_MAX = 1440
"""Bytes of an answer, as `sink.bpf.c` has it."""
KINDS = ("syn", "data", "fin", "ack", "rst", "no_room")
"""What it counts, without the canary of a run, in the order of the C enum; `no_room` of the others were dropped, as the
answer did not fit."""
_ENDING = (signal.SIGINT, signal.SIGTERM)
_REPORT_S = 0.1
_DRIVER_MODE = 4  # XDP_FLAGS_DRV_MODE, include/uapi/linux/if_link.h


def answer(length: int) -> bytes:
    """An HTTP response of exactly so many bytes, its body filled up with dots.

    Raises:
        InputFault: too short for its own header, or longer than a packet.
    """
    body = length
    while True:
        head = f"HTTP/1.1 200 OK\r\nServer: sink\r\nContent-Length: {body}\r\n\r\n".encode()
        if len(head) + body <= length:
            break
        body -= 1
        if body < 0:
            raise InputFault(f"An answer of {length} bytes has no room for its header: ask for 64 or more.")
    if length > ANSWER_MAX:
        raise InputFault(f"An answer of {length} bytes is no single packet: ask for {ANSWER_MAX} or fewer.")
    return head.replace(b": sink", b": sink" + b"-" * (length - len(head) - body)) + b"." * body


@contextmanager
def serving(interface: str, port: int, page: bytes, function: str = "sink") -> Iterator[loader.Module]:
    """Has the sink, or another function of its text, on an interface for as long as the context lasts."""
    module = loader.compile(PROGRAM, {"SINK_PORT": port})
    try:
        padded = page.ljust(ANSWER_MAX, b"\0")
        words = sum(struct.unpack(f"={ANSWER_MAX // 2}H", padded))
        module.maps["sink_answer"].set(struct.pack("=I", 0), struct.pack("=II", len(page), words) + padded)
        program = module.load(syscall.XDP, function, f"gryphon_{function}")
        link = syscall.xdp_link(program, socket.if_nametoindex(interface), _DRIVER_MODE)
        os.close(program)
        try:
            yield module
        finally:
            os.close(link)  # an unpinned link takes its program off with it
    finally:
        module.close()


def counts(module: loader.Module) -> dict[str, int]:
    """Packets by kind so far, over all CPUs."""
    seen = {}
    counter = module.maps["sink_count"]
    for index, kind in enumerate(KINDS):
        raw = counter.get(struct.pack("=I", index)) or b""
        seen[kind] = sum(struct.unpack(f"={len(raw) // 8}Q", raw))
    return seen


def _report(module: loader.Module, path: Path) -> None:
    """Write the counts and the moment (CLOCK_MONOTONIC, seconds) as a whole new file, that nobody reads half of one."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"time": time.monotonic(), **counts(module)}))
    new.replace(path)


def _serve(module: loader.Module, path: Path | None) -> None:
    """Until SIGINT or SIGTERM."""
    if path is None:
        signal.sigwait(_ENDING)
        return
    while not signal.sigtimedwait(_ENDING, _REPORT_S):
        _report(module, path)


def main() -> int:
    """The command line; one line of JSON with the counts when it is stopped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("interface")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--answer", type=int, default=160, help="bytes of an answer with its header (default 160)")
    parser.add_argument("--counts-file", type=Path, help="written ten times a second: what it has counted so far")
    parser.add_argument("--pass", dest="function", action="store_const", const="pass", default="sink", help="pass all")
    parser.add_argument("--ready-file", type=Path, help="written once it answers")
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        with serving(options.interface, options.port, answer(options.answer), options.function) as module:
            if options.ready_file:
                options.ready_file.write_text("ready\n")
            _serve(module, options.counts_file)
            print(json.dumps(counts(module)))
    except OSError as error:
        print(f"The sink cannot be attached to {options.interface}: {error.strerror}.", file=sys.stderr)
        return 3
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
