"""Capture files to a recording: the whole way, and a sentence when there is nothing to replay."""

from __future__ import annotations

import logging
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.capture import sessions
from gryphon.sender.capture.build import build
from gryphon.sender.capture.packets import read
from gryphon.sender.capture.recording import REASONS, Recording

_log = logging.getLogger(__name__)

ANSWER_WITHIN_NS = 10_000_000_000
"""A server that begins to speak later than this after a message does not answer it."""


def load(files: list[str], ports: Collection[int] | None, answer_within_ns: int = ANSWER_WITHIN_NS) -> Recording:
    """All replayable sessions to the server ``ports`` (None: to any) of the files, taken as one recording.

    InputFault, one sentence: a file that is missing, no capture or of an unknown link type; no session for
    the ports; none that can be replayed, with the reasons.
    """
    if not files:
        raise InputFault("no capture file was named; give one with -f")
    packets = read(files)
    connections, order = sessions.split(packets.segments, len(packets.flows))
    wanted = None if ports is None else np.array(sorted(ports), np.int64)
    server_port = sessions.server_ports(connections, packets.flows, wanted)
    known = {int(port): int(n) for port, n in zip(*np.unique(server_port, return_counts=True), strict=True)}
    chosen = np.ones(len(connections), bool) if wanted is None else np.isin(server_port, wanted)
    _check_ports(files, packets.frames, known, wanted)
    whole = chosen & (connections["known"] == 2)
    rejected = dict.fromkeys(REASONS, 0)
    rejected["no_syn"] = int(np.count_nonzero(chosen & ~whole))
    candidates = connections[whole]
    candidates = candidates[np.argsort(candidates["start_ns"], kind="stable")]
    built = build(packets, order, candidates, rejected, answer_within_ns)
    if len(built.sessions) == 0:
        raise InputFault(_nothing_replayable(files, ports, int(np.count_nonzero(chosen)), rejected))
    return Recording(
        sessions=built.sessions,
        messages=built.messages,
        payload=built.payload,
        recorded=int(np.count_nonzero(chosen)),
        rejected=rejected,
        packets=packets.frames,
        files=list(files),
        ports=known,
    )


def _check_ports(files: list[str], frames: int, known: dict[int, int], wanted: npt.NDArray[np.int64] | None) -> None:
    names = ", ".join(files)
    if not known:
        raise InputFault(f"no TCP connection in {names} ({_counted(frames, 'packet')})")
    if wanted is None:
        return
    missing = [int(port) for port in wanted if int(port) not in known]
    if len(missing) == len(wanted):
        raise InputFault(f"no session to port {_either(missing)} in {names}; it has {_listed(known)}")
    for port in missing:
        _log.warning("no session to port %d in %s", port, names)


def _either(ports: list[int]) -> str:
    return " or ".join(str(port) for port in ports)


def _listed(known: dict[int, int], most: int = 10) -> str:
    """The busiest ports with their sessions: "port 80 (43 sessions), port 21 (1 session)"."""
    busiest = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"port {port} ({_counted(n, 'session')})" for port, n in busiest[:most])
    more = len(busiest) - most
    return f"{text} and {more} more ports" if more > 0 else text


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _nothing_replayable(
    files: list[str], ports: Collection[int] | None, recorded: int, rejected: dict[str, int]
) -> str:
    to = "" if ports is None else f" to port {_either(sorted(ports))}"
    why = "; ".join(f"{reason} {count} ({REASONS[reason]})" for reason, count in rejected.items() if count)
    which = f"the one session{to}" if recorded == 1 else f"none of the {recorded} sessions{to}"
    can = "cannot" if recorded == 1 else "can"
    return f"{which} in {', '.join(files)} {can} be replayed: {why}"
