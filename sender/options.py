"""The options of ``gryphon send``, checked: every wrong one gets a sentence before anything is opened."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gryphon.controller.errors import InputFault
from gryphon.sender.schedule import check_schedule, seconds

DEFAULT_PORT = 36524
"""Where an intercept listens, the original's port."""

SMALLEST_MTU, LARGEST_MTU = 576, 65535

TRANSMITTERS = ("raw", "link", "xdp", "auto")

MOST_THREADS = 64
MOST_TRACED = 1000

LONGEST_HOLD_S = 30 * 86_400.0

REFUSED = {
    "-C": "one channel carries every record: leave -C out",
    "-S": "each server's own MSS is obeyed, bounded by the MTU: set -M instead of -S",
    "-d": "gryphon stays in the foreground: run it under systemd, nohup or tmux instead of -d",
    "-P": "a process id file only serves -d: take the id from your shell or service manager instead of -P",
    "-A": "every message leaves when it is due, however many those are: leave -A out, -i sets new sessions per second",
    "-F": "a filter belongs to the recording: filter with tcpdump -r IN -w OUT 'expression', or choose ports with -x",
}
"""Options of the original that have no use here, and what to do instead."""


@dataclass(frozen=True)
class SendOptions:
    """What the user asked for; texts as given, numbers checked."""

    transfer: str
    files: tuple[str, ...]
    intercept: str
    users: int
    clients: str
    speed: float  # infinity: no gaps
    rate: str | None  # as schedule.parse_rate has it
    ramp: str | None
    arrivals: str
    loops: int  # 0: without end
    duration_s: float | None
    push: bool
    settle_s: float
    verify: str | None
    ignore: tuple[str, ...]
    timeout_s: float
    hold_s: float | None  # infinity: until the server closes; None: sessions end as recorded
    strict: bool  # no session of the services may be rejected
    allow_encrypted: bool
    rules: str | None  # a TOML file of per-user fields
    fields: tuple[str, ...]  # short ones
    mode: int
    seed: int
    mtu: int
    threads: int  # processes that share the users
    quiet: bool  # no live view, no progress
    warmup_s: float  # left out of percentiles and thresholds
    dry_run: bool
    trace: int  # failed sessions whose packets are shown
    trace_users: tuple[int, ...]  # or those of these users, whatever becomes of them
    trace_file: Path
    port: int
    transmit: Literal["raw", "link", "xdp", "auto"]
    device: str | None
    xdp_mode: Literal["auto", "native", "generic"]
    json: str | None
    fail_if: tuple[str, ...]
    token: str | None
    token_file: Path | None
    report: str | None = None
    csv: str | None = None
    metrics: str | None = None  # ADDR:PORT for Prometheus
    tls_ca: Path | None = None  # certificates that sign the intercepts'
    tls_fingerprint: str | None = None  # or the intercepts' own
    effective: Mapping[str, Any] = field(default_factory=dict)  # all of it as a file of --config has it

    @property
    def is_traced(self) -> bool:
        """Whether packets are to be kept."""
        return bool(self.trace or self.trace_users)


def parse_speed(text: str) -> float:
    """``-a``: a positive number, or ``max``."""
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < math.inf:
        raise InputFault(f"-a {text}: give a positive number such as 2 or 0.5, or max for no pauses at all")
    return speed


def parse_hold(text: str | None) -> float | None:
    """``--hold``: a time, or ``forever``."""
    if text is None:
        return None
    if text == "forever":
        return math.inf
    try:
        held = seconds(text, "--hold")
    except InputFault:
        held = 0.0
    if not 0 < held <= LONGEST_HOLD_S:
        longest = f"{LONGEST_HOLD_S / 86_400:.0f}d"
        raise InputFault(f"--hold {text}: give a time such as 90s or 10m, at most {longest}, or forever")
    return held


def parse_files(text: str) -> tuple[str, ...]:
    """``-f``: files or shell patterns, several with commas; a name that exists is taken as it is, commas and all."""
    if os.path.exists(text):  # noqa: PTH110 -- Path.exists raises where a name is too long to be one
        return (text,)
    files: list[str] = []
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        found = [part] if os.path.exists(part) else sorted(glob.glob(part))  # noqa: PTH110, PTH207 -- may be absolute
        files += found or [part]
    if not files:
        raise InputFault("no capture file was given: name one with -f, such as -f ./xxx.pcap")
    return tuple(files)


def parse_arguments(texts: Sequence[str]) -> tuple[str, ...]:
    """FILE arguments, each as ``-f`` has them."""
    if not any(text.strip(", ") for text in texts):
        raise InputFault("no capture file was given: name one, such as xxx.pcap")
    return tuple(file for text in texts if text.strip(", ") for file in parse_files(text))


def parse_trace_users(text: str | None) -> tuple[int, ...]:
    """``--trace-users 0,17``."""
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if len(parts) > MOST_TRACED or not all(part.isdecimal() and len(part) < 20 for part in parts):
        raise InputFault(f"--trace-users {text}: give at most {MOST_TRACED} numbers with commas, such as 0,17")
    return tuple(int(part) for part in parts)


def check(options: SendOptions) -> None:
    """Numbers in their bounds; InputFault with the bound."""
    if options.users < 1:
        raise InputFault(f"-u {options.users}: at least one user is needed")
    if options.users > 1 << 30:
        raise InputFault(f"-u {options.users}: at most {1 << 30:,} users fit into one process")
    check_schedule(options.arrivals, options.rate, options.ramp)
    if not 0 < options.settle_s <= 60:
        raise InputFault(f"--settle {options.settle_s:g}: give a time, more than 0 and at most a minute, such as 200ms")
    if not 0 < options.timeout_s <= 86_400:
        raise InputFault(f"-t {options.timeout_s:g}: give seconds, more than 0 and at most a day")
    if options.mode not in (0, 1):
        raise InputFault(f"-m {options.mode}: 0 varies the address first, 1 the port")
    if options.seed < 0:
        raise InputFault(f"-e {options.seed}: give a whole number from 0 (0: addresses in order)")
    if not SMALLEST_MTU <= options.mtu <= LARGEST_MTU:
        raise InputFault(f"-M {options.mtu}: give an MTU from {SMALLEST_MTU} to {LARGEST_MTU}")
    if options.duration_s is not None and options.warmup_s >= options.duration_s:
        raise InputFault(
            f"--warmup {options.warmup_s:g}s: nothing is left to measure of --duration {options.duration_s:g}s"
        )
    if not 0 <= options.trace <= MOST_TRACED:
        raise InputFault(f"--trace {options.trace}: give how many failed sessions to show, at most {MOST_TRACED}")
    if options.trace and options.trace_users:
        raise InputFault("--trace and --trace-users: give one of them, those that fail or those by their numbers")
    for user in options.trace_users:
        if not 0 <= user < options.users:
            raise InputFault(f"--trace-users {user}: users are numbered from 0 to {options.users - 1:,}")
    if not 1 <= options.threads <= MOST_THREADS:
        raise InputFault(f"--threads {options.threads}: give a number from 1 to {MOST_THREADS}")
    if not 0 < options.port < 65536:
        raise InputFault(f"-p {options.port}: give a TCP port, 1 to 65535")
    if options.transmit not in TRANSMITTERS:
        raise InputFault(f"--transmit {options.transmit}: give raw, link, xdp or auto")
    if options.device is not None and options.transmit == "raw":
        raise InputFault(
            f"-o {options.device} is for frames, and raw sockets follow this host's routes: add --transmit link (or "
            "xdp), or leave -o out"
        )
    _check_outputs(options)


def _check_outputs(options: SendOptions) -> None:
    """Each file that is to be written has its own name."""
    for name, path in (("--report", options.report), ("--csv", options.csv)):
        if path == "-":
            raise InputFault(
                f"{name} - is not possible, for standard output has the summary: name a file, or make it with gryphon "
                "report out of what --json writes"
            )
    paths = [path for path in (options.json, options.report, options.csv) if path is not None]
    if len(set(paths)) < len(paths):
        raise InputFault("--json, --report and --csv name the same file: give each its own")
