"""How the benchmarks measure: CPU and memory of processes, spreads over several runs, and the machine they ran on."""

from __future__ import annotations

import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gryphon.controller.errors import Fault

_TICKS = os.sysconf("SC_CLK_TCK")


class Spread(NamedTuple):
    """One figure over several runs."""

    min: float
    median: float
    max: float


def spread(values: Sequence[float]) -> Spread:
    """Minimum, median and maximum of at least one value."""
    return Spread(min(values), statistics.median(values), max(values))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of the children that it has: a sender with `--threads` is a family.

    Not to be summed over processes of which one may be another's child, nor taken of a benchmark itself, whose children
    are what it measures: there `own_cpu_seconds`.
    """
    return own_cpu_seconds(pid) + sum(map(cpu_seconds, children(pid)))


def own_cpu_seconds(pid: int) -> float:
    """User and system time of a process and of the children that it has waited for; 0 when it is gone.

    Also right for one that has ended and was not yet waited for (proc(5), stat fields 14 to 17). Its resolution is
    a clock tick, 10 ms.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    return sum(int(field) for field in text.rpartition(")")[2].split()[11:15]) / _TICKS


def waited_seconds(pid: int) -> float:
    """User and system time of those children of a process that have ended and been waited for; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    return sum(int(field) for field in text.rpartition(")")[2].split()[13:15]) / _TICKS


def children(pid: int) -> list[int]:
    """The processes that a process has started and not waited for."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def busy_seconds() -> float:
    """CPU time that anybody has used since boot, over all cores (proc(5), /proc/stat: all but idle and iowait)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS


def peak_bytes(pid: int) -> int:
    """The most memory a running process had resident so far (VmHWM); 0 once it has ended.

    Of one that has children, what all of them have now, shared pages counted once (the sums of Pss).

    Not getrusage's ru_maxrss: that survives exec, so a child inherits the peak of the process that started it.
    """
    family = children(pid)
    if family:
        return sum(proportional_bytes(member) for member in (pid, *family))
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def proportional_bytes(pid: int) -> int:
    """The memory of a process, each page divided by the number of those that share it; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a child has ended, without reaping it: its CPU time can still be read."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def in_order(main: Callable[[], int], left: str = "the lab is gone") -> int:
    """Runs a benchmark's main function such that Ctrl-C and SIGTERM end it with its lab removed.

    Gives its exit status; a fault is its sentence and its own status, 2 or 3.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return main()
    except Fault as fault:
        print(fault, file=sys.stderr)
        return fault.status
    except KeyboardInterrupt:
        print(f"Interrupted; {left}.", file=sys.stderr)
        return 130


def environment() -> dict[str, str]:
    """The machine and the moment, for a result to be judged by."""
    cpu = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in cpu if line.startswith("model name")), platform.machine())
    return {
        "kernel": platform.release(),
        "cpu": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def environment_line() -> str:
    """The same in one line; the load before the run shows whether the machine was quiet."""
    facts = environment()
    return (
        f"Linux {facts['kernel']}, {facts['cpu']}, {facts['cores']} cores, {facts['date']}, "
        f"load before the run {facts['load']}"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the first to the left, the others to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def figure(values: Sequence[float], digits: int = 0) -> str:
    """A spread as a table cell: median (min to max), or the value alone when there is only one."""
    if not values:
        return "-"
    low, middle, high = spread(values)
    if len(values) == 1:
        return f"{middle:,.{digits}f}"
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"
