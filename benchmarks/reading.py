"""Has a capture read in a process of its own and watches it: time, CPU, peaks of memory, and whether it is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import measure
from benchmarks.recordings import Written
from gryphon.controller.errors import EnvironmentFault

_TSHARK = "tshark"
_SAMPLE_S = 0.01
_CGROUPS = Path("/sys/fs/cgroup/memory")


class WrongResult(Exception):
    """A reader did not find what was written; one sentence."""


def read(name: str, path: Path, written: Written, most: int, group: Path | None = None) -> dict[str, float]:
    """One run of one reader, its figures. ``most`` packets are what scapy reads; ``group`` confines its memory.

    WrongResult when it found something else than what was written.
    """
    if name == _TSHARK:
        command = [_TSHARK, "-n", "-r", str(path), "-q", "-z", "conv,tcp"]
    else:
        command = [sys.executable, "-m", "benchmarks.parsers", name, str(path), str(most)]
    text, outside = _watched(name, command, group)
    if name == _TSHARK:
        found: dict[str, float] = {"sessions": text.count("<->"), "seconds": outside["whole process s"]}
        packets = float(written.packets)
    else:
        found = json.loads(text)
        packets = found["packets"]
    _check(name, found, written, most)
    share = packets / written.packets
    return {
        "packets/s": packets / found["seconds"],
        "MB/s": written.bytes * share / found["seconds"] / 1e6,
        "seconds": found["seconds"],
        **outside,
        "packets per CPU second": packets / outside["CPU s of it"],
    }


def _check(name: str, found: dict[str, float], written: Written, most: int) -> None:
    wanted = {key: value for key, value in vars(written).items() if key in found}
    if name == "scapy":
        wanted["packets"] = min(most, written.packets)
    for key, value in wanted.items():
        if found[key] != value:
            raise WrongResult(f"{name} found {found[key]:,} {key.replace('_', ' ')}, but {value:,} were written.")


def _watched(name: str, command: Sequence[str], group: Path | None) -> tuple[str, dict[str, float]]:
    """What a command printed, and its figures as seen from outside."""
    if group is not None:
        command = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(group / "cgroup.procs"), *command]
    anonymous = resident = 0
    with tempfile.TemporaryFile() as output:
        begun, busy, own = time.monotonic(), measure.busy_seconds(), measure.own_cpu_seconds(os.getpid())
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL if name == _TSHARK else None)
        try:
            while not measure.has_ended(process):
                now, peak = _memory(process.pid)
                anonymous, resident = max(anonymous, now), max(resident, peak)
                time.sleep(_SAMPLE_S)
            seconds, cpu = time.monotonic() - begun, measure.cpu_seconds(process.pid)
            others = measure.busy_seconds() - busy - cpu - (measure.own_cpu_seconds(os.getpid()) - own)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise EnvironmentFault(f"{name} ended with status {process.returncode}" + _killed(process.returncode))
        output.seek(0)
        text = output.read().decode()
    return text, {
        "whole process s": seconds,
        "CPU s of it": cpu,
        "peak resident MB": resident / 1e6,
        "peak anonymous MB": anonymous / 1e6,
        "cores of others": max(0.0, others / seconds),
    }


def _killed(status: int) -> str:
    return ": the kernel killed it, its memory did not suffice." if status == -9 else "; it says above why."


def _memory(pid: int) -> tuple[int, int]:
    """Anonymous bytes now, and the most bytes that were resident; the latter has mapped pages of the file in it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssA", "VmHWM"))}
    return values.get("RssAnon", 0), values.get("VmHWM", 0)


@contextmanager
def confined(limit: int) -> Iterator[Path | None]:
    """A memory cgroup (v1) with a limit, whose page cache counts, too; None when there is no limit.

    EnvironmentFault when this user or this machine cannot have one.
    """
    if not limit:
        yield None
        return
    group = _CGROUPS / f"gryphon-benchmark-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise EnvironmentFault(
            f"--memory-limit needs root and the cgroup v1 memory controller at {_CGROUPS}: {error.strerror}."
        ) from None
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        yield group
    finally:
        group.rmdir()


def drop_from_cache(path: Path) -> None:
    """Let the page cache forget a file, so that it is read from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
