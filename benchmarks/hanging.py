"""A thousand clients of each bad manner hang on to an intercept's port: its CPU and memory, and a sender's records.

    .venv/bin/python -m benchmarks.hanging [--clients 1000] [--seconds 10] [--tls]

Everything is on the loopback: the intercept's server with a ring that is fed 10,000 records a second in batches of ten,
one sender that reads them, and the clients, from 200 addresses. Who is hung up on comes again a second later.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import mmap
import multiprocessing
import os
import random
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.hung import BATCH, EVERY_S, Fed, feed
from benchmarks.measure import cpu_seconds, environment_line, peak_bytes
from gryphon.controller.client import Channel
from gryphon.controller.limits import Limits
from gryphon.controller.policy import Policy
from gryphon.controller.protocol import HEADER, PROTOCOL, Frame, pack
from gryphon.controller.serve import Server
from gryphon.controller.tls import Identity, Trust

TOKEN = "of this benchmark alone"
SERVICE, RANGE = (ip_address("10.16.15.118"), 80), ip_network("10.17.15.0/24")
ADDRESSES = 200

_GUESS = pack(Frame.PROOF, {"protocol": PROTOCOL, "nonce": "0" * 64, "mac": "0" * 64})
MANNERS: dict[str, tuple[bytes, bytes]] = {
    "nobody": (b"", b""),
    "silent": (b"", b""),
    "slow": (b"", b"\x20"),
    "garbage": (b"\xff" * 1000, b"\xff" * 1000),
    "huge": (HEADER.pack(1 << 31, Frame.PROOF) + b" " * 60_000, b" " * 60_000),
    "guessing": (_GUESS, b""),
    "half a TLS greeting": (b"\x16\x03\x01", b""),
}
"""What such a client says at first, and every tenth of a second afterwards."""


class Seen(NamedTuple):
    """One manner's figures."""

    cpu: float  # of a core
    peak: int  # bytes
    p99_us: float
    records: int
    came: int  # connections


def serve(listener: socket.socket, fed: int, identity: Identity | None) -> None:
    """In a process of its own: the intercept's server, until it is killed."""
    logging.disable()  # a log file takes few lines of strangers; here they would stand between the rows
    listener.listen(64)
    Server(Fed(fed), listener, TOKEN, Policy(), 0, Limits(), list, identity=identity).run()


def hang_on(port: int, number: int, manner: str, came_in: mmap.mmap) -> None:
    """In a process of its own: the clients, until it is killed."""
    first, again = MANNERS[manner]
    open_now: dict[socket.socket, bool] = {}
    came = 0
    while True:
        begun = time.monotonic()
        for sock in [sock for sock in open_now if _is_over(sock)]:
            sock.close()
            del open_now[sock]
        room = min(number - len(open_now), max(number // 10, 1))  # a tenth of them in a tenth of a second
        for _ in range(room if manner != "nobody" else 0):
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((f"127.1.0.{random.randrange(ADDRESSES) + 1}", 0))
            with contextlib.suppress(OSError):
                sock.connect(("127.0.0.1", port))
            open_now[sock] = False
            came += 1
        for sock, has_spoken in list(open_now.items()):
            with contextlib.suppress(OSError):
                sock.send(again if has_spoken else first)
                open_now[sock] = True
        time.sleep(max(0.1 - (time.monotonic() - begun), 0))
        came_in[:8] = came.to_bytes(8, "little")


def _is_over(sock: socket.socket) -> bool:
    try:
        return sock.recv(1 << 16) == b""
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno != 107  # not connected yet


def measure(manner: str, number: int, seconds: float, identity: Identity | None, trust: Trust | None) -> Seen:
    """One manner beside one sender."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    came_in = mmap.mmap(-1, 8)
    processes: list[Any] = []

    def start(work: Callable[..., None], *arguments: Any) -> int:
        processes.append(multiprocessing.get_context("fork").Process(target=work, args=arguments))
        processes[-1].start()
        return int(processes[-1].pid)

    try:
        server = start(serve, listener, reading, identity)
        channel = Channel.connect("127.0.0.1", port, TOKEN, services=[SERVICE], ranges=[RANGE], trust=trust)
        start(feed, writing)
        start(hang_on, port, number, manner, came_in)
        _read(channel, 1.5)
        before, begun = cpu_seconds(server), time.monotonic()
        delays = _read(channel, seconds)
        cpu = (cpu_seconds(server) - before) / (time.monotonic() - begun)
        came = int.from_bytes(came_in[:8], "little")
        return Seen(cpu, peak_bytes(server), float(np.percentile(delays, 99)), len(delays), came)
    finally:
        for process in processes:
            process.kill()
            process.join()
        listener.close()
        os.close(reading)
        os.close(writing)


def _read(channel: Channel, seconds: float) -> Any:
    """Read as a sender does; how late each record was, microseconds."""
    until, late = time.monotonic() + seconds, []
    while time.monotonic() < until:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        records = channel.read()
        late.append((time.monotonic_ns() - records["time_ns"].astype(np.int64)) / 1e3)
    return np.concatenate(late)


def main() -> int:
    """Every manner in turn, a row each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hanging", description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--tls", action="store_true", help="the channel speaks TLS")
    options = parser.parse_args()
    print(environment_line())
    print(f"{options.clients} clients, {BATCH / EVERY_S:,.0f} records/s for one sender, TLS: {options.tls}")
    print(f"{'manner':<20} {'CPU':>7} {'memory':>9} {'p99 late':>10} {'records/s':>10} {'connections/s':>14}")
    with tempfile.TemporaryDirectory() as folder:
        identity = trust = None
        if options.tls:
            from gryphon.lab.certificates import make

            made = make(Path(folder), "hanging")
            identity, trust = Identity.load(*made), Trust(made.certificate)
        for manner in MANNERS:
            seen = measure(manner, options.clients, options.seconds, identity, trust)
            print(
                f"{manner:<20} {seen.cpu:>7.1%} {seen.peak / 1e6:>6.1f} MB {seen.p99_us:>7.0f} us "
                f"{seen.records / options.seconds:>10,.0f} {seen.came / (options.seconds + 1.5):>14,.0f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
