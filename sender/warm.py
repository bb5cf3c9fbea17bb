"""Compile every kernel of a run before it begins, and say so when that takes a while.

``python -m gryphon.sender.warm`` does it at installation, so that no user waits for it; with the names of jobs it does
these without a word. So a second process does half of the work, where there is a second core.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.compiled import cache_directory, forget_old_caches

_HERE = Path(__file__).parent
_CLIENT, _SERVER = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))


def _smallest_capture(path: Path) -> None:
    """A connection of one request and one answer, as tcpdump would have recorded it."""
    import dpkt

    def segment(there: bool, flags: int, seq: int, ack: int, data: bytes = b"") -> bytes:
        ports = (32768, 80) if there else (80, 32768)
        ends = (_CLIENT, _SERVER) if there else (_SERVER, _CLIENT)
        tcp = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], seq=seq, ack=ack, flags=flags, data=data)
        ip = dpkt.ip.IP(src=ends[0], dst=ends[1], p=dpkt.ip.IP_PROTO_TCP, data=tcp)
        return bytes(dpkt.ethernet.Ethernet(data=ip))

    packets = [
        segment(True, 2, 0, 0),
        segment(False, 18, 0, 1),
        segment(True, 24, 1, 1, b"?"),
        segment(False, 24, 1, 2, b"!"),
        segment(True, 17, 2, 2),
        segment(False, 17, 2, 3),
    ]
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for at, packet in enumerate(packets):
            writer.writepkt(packet, ts=1.0 + at / 1000)


def _read_capture() -> None:
    """Every kernel of the capture reader."""
    from gryphon.sender.capture.load import load

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "smallest.pcap"
        _smallest_capture(path)
        load([str(path)], [80])


def _extract_packets() -> None:
    """Every kernel that writes an extract."""
    import numpy as np

    from gryphon.sender.capture.load import examine
    from gryphon.sender.extract.routes import routes
    from gryphon.sender.extract.write import write

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "smallest.pcap"
        _smallest_capture(path)
        examined = examine([str(path)], [80])
        write(examined.packets, routes(examined, np.zeros(1, np.int64), anonymise=False), lambda data: None)


def _step_engine() -> None:
    """Every kernel of the engine, for a user that nobody hears of."""
    import numpy as np

    from gryphon.controller.record import RECORD
    from gryphon.sender.capture.recording import MESSAGE, SESSION
    from gryphon.sender.replay.addresses import BLOCK
    from gryphon.sender.replay.arrivals import Arrivals
    from gryphon.sender.replay.engine import Engine, Plan
    from gryphon.sender.replay.script import Columns, compile_script

    sessions, blocks = np.zeros(1, SESSION), np.zeros(1, BLOCK)
    sessions["server_port"] = 80
    blocks["count"] = 1
    silent = Columns(sessions, np.zeros(1, MESSAGE), np.zeros(1, np.uint8))
    plan = Plan(users=1, arrivals=Arrivals(), blocks=blocks, services=[0], generation=1)
    engine = Engine(compile_script(silent, {80: 0}, 1.0), plan, epoch_ns=0, batch=64)
    engine.step(0, np.zeros(1, RECORD))
    engine.idle_ns(0)
    engine.place(0, 0)
    engine.abort(0)


def _open_transmitter() -> None:
    """Every kernel of the transmitters that the kernel's stack serves; nothing is sent."""
    import numpy as np

    from gryphon.sender.transmit.interface import Target
    from gryphon.sender.transmit.raw import RawTransmitter

    RawTransmitter([Target(ip_address("127.0.0.1"), 9, 0)], np.zeros(64, np.uint8)).close()


def _build_frames() -> None:
    """Every kernel of the xdp transmitter; nothing is sent."""
    import numpy as np

    from gryphon.sender.replay.packet import PACKET
    from gryphon.sender.transmit.frames import destinations
    from gryphon.sender.transmit.interface import Target
    from gryphon.sender.transmit.wire import FRAME_ROOM, LINK, PLACE, Memory, build

    targets = [Target(ip_address("127.0.0.1"), 9, 0)]
    payload, memory = Memory(np.zeros(64, np.uint8)), Memory(np.zeros(2 * FRAME_ROOM, np.uint8))
    build(
        np.zeros(0, PACKET),
        payload.bytes,
        payload.eights,
        destinations(targets),
        np.zeros(1, LINK),
        memory.bytes,
        memory.words,
        memory.eights,
        np.zeros(1, PLACE),
        0,
    )


_JOBS: dict[str, Callable[[], None]] = {
    "capture": _read_capture,
    "extract": _extract_packets,
    "replay": _step_engine,
    "transmit": _open_transmitter,
    "frames": _build_frames,
}

_PACKAGES = {"frames": "transmit"}
"""Where a job's kernels are, if not in the package of its name."""

_BESIDE = ("capture", "extract")
"""Jobs of about half the work, for another process: what writes an extract stands on what reads captures."""


@functools.cache
def _processor() -> str:
    """What numba compiles for, as a digest: on another processor (a home directory or a machine that moved) it compiles
    again, and that must not come in the middle of a run."""
    from llvmlite import binding
    from numba.core import config

    settings: Any = config
    name = settings.CPU_NAME or binding.get_host_cpu_name()
    features = settings.CPU_FEATURES
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    return hashlib.blake2b(f"{name} {features}".encode(), digest_size=4).hexdigest()


def _marker(job: str) -> Path | None:
    """The file that says that a job was done, for this user, source and processor; None: nothing is kept."""
    directory = cache_directory(_HERE / _PACKAGES.get(job, job))
    return directory and directory / f"{job}-{_processor()}.whole"


def _is_done(job: str) -> bool:
    marker = _marker(job)
    return marker is not None and marker.exists()


def _do(job: str) -> None:
    _JOBS[job]()
    marker = _marker(job)
    if marker is not None:
        marker.touch()
        forget_old_caches(_HERE / _PACKAGES.get(job, job))


def _start(jobs: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Another process for these jobs; None where it would gain nothing: no second core, or nothing is kept."""
    if not jobs or len(os.sched_getaffinity(0)) < 2 or _marker(jobs[0]) is None:
        return None
    # a session of its own: Ctrl-C is for this process, which ends it
    return subprocess.Popen(
        [sys.executable, "-m", "gryphon.sender.warm", *jobs],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def warm_up(jobs: Collection[str] = ("capture", "replay", "transmit")) -> None:
    """Compile what of these is not compiled yet, with a word about it on standard error: it takes seconds.

    Raises:
        EnvironmentFault: the transmitter cannot be opened here.
    """
    cold = [job for job in _JOBS if job in jobs and not _is_done(job)]
    if not cold:
        return
    print("compiling, once for this version and user ...", file=sys.stderr, flush=True)
    begun = time.monotonic()
    beside = [job for job in cold if job in _BESIDE] if any(job not in _BESIDE for job in cold) else []
    helper = _start(beside)
    try:
        for job in cold:
            if helper is None or job not in beside:
                _do(job)
        if helper is not None:
            helper.wait()
    finally:
        if helper is not None:
            helper.kill()
            helper.wait()
    for job in beside:  # whatever kept the other process from it
        if helper is not None and not _is_done(job):
            _do(job)
    print(f"compiled in {time.monotonic() - begun:.0f} s", file=sys.stderr)


def main(arguments: Sequence[str]) -> None:
    """Compile the kernels of every command, or do some jobs."""
    if arguments:
        for job in arguments:
            _do(job)
        return
    try:
        warm_up(_JOBS)
    except EnvironmentFault as fault:
        print(f"the rest is compiled at the first run: {fault}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
