"""Capture files to a recording: the whole way, and a sentence when there is nothing to replay."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gryphon.controller.errors import InputFault
from gryphon.sender.capture import sessions
from gryphon.sender.capture.build import build
from gryphon.sender.capture.columns import Array
from gryphon.sender.capture.packets import Packets, read
from gryphon.sender.capture.recording import DEFAULT, REASONS, Recording, Rules, Verdict
from gryphon.sender.capture.unpack import Progress

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examined:
    """A recording beside the packets that it was made of."""

    packets: Packets
    order: sessions.Order
    runs: Array  # columns.RUN, for each row of recording.connections: where its packets stand in ``order``
    recording: Recording


def examine(
    files: list[str],
    ports: Collection[int] | None = None,
    rules: Rules = DEFAULT,
    progress: Progress | None = None,
    servers: Collection[int] | None = None,
) -> Examined:
    """Read the files as one recording of the connections to the server ``ports`` (None: to any).

    ``progress`` is called now and then with the bytes read and the bytes there are. Where no SYN tells who the server
    is, it is the end with one of ``ports`` or ``servers``.
    InputFault, one sentence: a file that is missing, no capture or of an unknown link type; no connection to
    one of the ports.
    """
    if not files:
        raise InputFault("no capture file was named; give one with -f")
    packets = read(files, progress)
    runs, order = sessions.split(packets.segments, len(packets.flows))
    wanted = None if ports is None else np.array(sorted(ports), np.int64)
    told = wanted if servers is None else np.array(sorted(servers), np.int64)
    server_port = sessions.server_ports(runs, packets.flows, told)
    known = {int(port): int(n) for port, n in zip(*np.unique(server_port, return_counts=True), strict=True)}
    if not known:
        raise InputFault(f"no TCP connection in {', '.join(files)} ({_counted(packets.frames, 'packet')})")
    by_start = np.lexsort((order[runs["first"]], runs["start_ns"]))
    if ports is not None:
        check_ports(ports, known, files)
    numbers = np.arange(len(runs)) if wanted is None else np.flatnonzero(np.isin(server_port[by_start], wanted))
    runs = runs[by_start][numbers]
    built = build(packets, order, runs, rules)
    built.connections["number"] = numbers
    counts = np.bincount(built.connections["verdict"], minlength=len(Verdict))
    recording = Recording(
        connections=built.connections,
        sessions=built.sessions,
        messages=built.messages,
        payload=built.payload,
        heads=built.heads,
        rejected={reason: int(counts[Verdict[reason.upper()]]) for reason in REASONS},
        packets=packets.frames,
        files=list(files),
        ports=known,
    )
    _warn_of_copies(recording)
    return Examined(packets, order, runs, recording)


def load(
    files: list[str], ports: Collection[int] | None, rules: Rules = DEFAULT, progress: Progress | None = None
) -> Recording:
    """The recording alone. InputFault as ``examine``, and when nothing can be replayed, with the reasons."""
    recording = examine(files, ports, rules, progress).recording
    if len(recording.sessions) == 0:
        raise InputFault(nothing_replayable(files, ports, recording.recorded, recording.rejected))
    return recording


def check_whole(recording: Recording) -> None:
    """InputFault when a session to the chosen services cannot be replayed, with the reasons."""
    count = sum(recording.rejected.values())
    if count:
        raise InputFault(
            f"{count} of {_counted(recording.recorded, 'session')} cannot be replayed: {_why(recording.rejected)}; "
            "leave --strict out to replay the others"
        )


def _why(rejected: dict[str, int]) -> str:
    """The reasons with their counts: "no_syn 3 (they began before the capture)"."""
    return "; ".join(f"{reason} {count} ({REASONS[reason]})" for reason, count in rejected.items() if count)


def _warn_of_copies(recording: Recording) -> None:
    """A copy of client bytes with another content: something on the way, or the capture, is broken."""
    numbers = np.flatnonzero(recording.connections["differing"])
    if len(numbers):
        which = ", ".join(str(number) for number in recording.connections["number"][numbers[:5]])
        _log.warning(
            "%s repeat client bytes with another content; the first copy is taken (%s, see gryphon inspect --session)",
            _counted(len(numbers), "session"),
            f"{'number' if len(numbers) == 1 else 'numbers'} {which}{', ...' if len(numbers) > 5 else ''}",
        )


def check_ports(wanted: Collection[int], known: Mapping[int, int], files: Sequence[str]) -> None:
    """InputFault when no connection goes to any of the ports, a warning for each to which none does.

    ``known`` has the connections to each port, as ``Recording.ports``.
    """
    names = ", ".join(files)
    missing = [port for port in sorted(wanted) if port not in known]
    if len(missing) == len(wanted):
        raise InputFault(f"no session to port {_either(missing)} in {names}; it has {_listed(known)}")
    for port in missing:
        _log.warning("no session to port %d in %s", port, names)


def _either(ports: list[int]) -> str:
    return " or ".join(str(port) for port in ports)


def _listed(known: Mapping[int, int], most: int = 10) -> str:
    """The busiest ports with their sessions: "port 80 (43 sessions), port 21 (1 session)"."""
    busiest = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"port {port} ({_counted(n, 'session')})" for port, n in busiest[:most])
    more = len(busiest) - most
    return f"{text} and {more} more ports" if more > 0 else text


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def nothing_replayable(
    files: Sequence[str], ports: Collection[int] | None, recorded: int, rejected: dict[str, int]
) -> str:
    """The sentence when no session to the ports can be replayed."""
    to = "" if ports is None else f" to port {_either(sorted(ports))}"
    which = f"the one session{to}" if recorded == 1 else f"none of the {recorded} sessions{to}"
    can = "cannot" if recorded == 1 else "can"
    return f"{which} in {', '.join(files)} {can} be replayed: {_why(rejected)}"
