"""The script: what every session sends, when it is due and what it waits for, in microseconds at the chosen speed."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.replay import pipelines
from gryphon.sender.replay.fields import Fields
from gryphon.sender.replay.sums import sum_messages
from gryphon.sender.replay.verify import Verify, compared

SESSION = np.dtype(
    [
        ("payload", "i8"),  # offset of the session's client stream in the payload arena
        ("length", "u4"),  # bytes of that stream
        ("first", "u4"),  # index of its first entry
        ("entries", "u4"),  # messages plus the end entry
        ("target", "u2"),  # index into the table of servers
        ("syn_window", "u2"),
        ("syn_mss", "u2"),
        ("syn_options", "u1"),  # controller.record.Option bits that the user's SYN carries
        ("syn_scale", "u1"),
        ("end", "u1"),  # End: who closes first
        ("first_field", "u4"),  # index of its first field (fields.FIELD)
        ("fields", "u4"),
    ],
    align=True,
)

ENTRY = np.dtype(
    [
        ("gap", "i8"),  # us at the run's speed, from the end of what went before
        ("patience", "i8"),  # us, unscaled: how long to wait for a server that may close first
        ("duration", "i8"),  # us: the recorded answer to the previous message, to its last byte
        ("settle", "i8"),  # us of silence after which that answer counts as complete
        ("stream_end", "u4"),  # one past the message's last byte in the session's stream
        ("expect", "u4"),  # bytes of the answer to the previous message; 0: nobody waits
        ("length", "u4"),  # bytes of the message; 0: it has no sum
        ("payload_sum", "u2"),  # of its 16-bit words, modulo 65,535: sums
        (
            "fresh",
            "u1",
        ),  # the count of answer bytes begins anew with this message, else what exceeds ``expect`` counts on
        ("last", "u1"),  # the end entry: not a message, but the close
        ("head", "i8"),  # where the first bytes of the recorded answer to the previous message stand in Script.heads
        ("head_length", "u2"),  # how many of them are compared
        ("blind", "u1"),  # it leaves on time alone: ``expect`` is counted and timed, never awaited
        ("pipelined", "u1"),  # the answers to several messages may be awaited: see pipelines
        ("early", "u1"),  # what comes while it is due, and nothing is awaited, counts for a later wait
    ],
    align=True,
)

PATIENCE_US = 5_000_000
"""How much longer than recorded a user waits for a server that closed first in the recording."""

SETTLE_S = 0.2
"""The shortest silence that ends an answer (``sender.capture.messages``), unless another is chosen."""

LONGEST_STREAM = (1 << 31) - 1
"""Bytes that one user can send: half of the sequence numbers (RFC 9293 3.4)."""

LONGEST_US = 1 << 46
"""No gap is longer than two years, and no hold."""


class End(enum.IntEnum):
    """Who closed first in the recording, and how; or that the run holds its connections instead."""

    NONE = 0  # the recording stops before the end: the user closes
    CLIENT_FIN = 1
    CLIENT_RST = 2
    SERVER_FIN = 3
    SERVER_RST = 4
    HELD = 5  # the user stays until the server closes or its hold is over, then it closes


class Recorded(Protocol):
    """What the script needs of a recording (``sender.capture.recording.Recording``)."""

    @property
    def sessions(self) -> npt.NDArray[Any]: ...

    @property
    def messages(self) -> npt.NDArray[Any]: ...

    @property
    def payload(self) -> npt.NDArray[np.uint8]: ...

    @property
    def heads(self) -> npt.NDArray[np.uint8]: ...


def _nothing() -> npt.NDArray[np.uint8]:
    """A column of one byte that nobody reads."""
    return np.zeros(1, np.uint8)


@dataclass(frozen=True)
class Columns:
    """The smallest ``Recorded``."""

    sessions: npt.NDArray[Any]
    messages: npt.NDArray[Any]
    payload: npt.NDArray[np.uint8]
    heads: npt.NDArray[np.uint8] = field(default_factory=_nothing)


@dataclass(frozen=True)
class Script:
    """What users do, as columns.

    Attributes:
        sessions, entries: dtypes SESSION and ENTRY.
        payload: every session's stream, and the scratch area of fields.
        verify: what of the answers is compared; None: their size.
        fields: bytes that each user has its own of.
        heads: first bytes of recorded answers.
        masks: not 0 where such a byte may be anything.
    """

    sessions: npt.NDArray[Any]
    entries: npt.NDArray[Any]
    payload: npt.NDArray[np.uint8]
    fields: Fields = field(default_factory=Fields)
    heads: npt.NDArray[np.uint8] = field(default_factory=_nothing)
    masks: npt.NDArray[np.uint8] = field(default_factory=_nothing)


def compile_script(
    recording: Recorded,
    targets: dict[int, int],
    speed: float,
    hold_s: float | None = None,
    *,
    push: bool = False,
    settle_s: float = SETTLE_S,
    fields: Fields | None = None,
    verify: Verify | None = None,
) -> Script:
    """Turn a recording into a script.

    Args:
        recording: sessions, messages and payload; every session's server port is a key of ``targets``.
        targets: recorded server port to index of the server that its sessions go to.
        speed: gaps are divided by it; infinity sends every message as soon as it may go.
        hold_s: seconds for which every connection stays open after its last message was answered, whatever the
            recording did then; infinity: until the server closes. None: sessions end as recorded.
        push: every message leaves at its recorded time, whatever the server does.
        settle_s: silence that ends an answer of another size, unless the recorded one had longer pauses.
        fields: bytes that each user has its own of, from ``rules.apply``, which re-cut the recording for them.
    """
    source = recording.sessions
    longest = int(source["length"].max(initial=0))
    if longest > LONGEST_STREAM:
        raise InputFault(f"a client sends {longest:,} bytes in one session: at most {LONGEST_STREAM:,} can be replayed")
    sessions = np.zeros(len(source), SESSION)
    sessions["payload"] = source["payload"]
    sessions["length"] = source["length"]
    # every session has one entry more than messages: its end
    sessions["entries"] = source["messages"] + 1
    sessions["first"] = source["first_message"]
    sessions["target"] = [targets[int(port)] for port in source["server_port"]]
    sessions["syn_window"] = source["syn_window"]
    sessions["syn_mss"] = source["syn_mss"]
    sessions["syn_options"] = source["syn_options"]
    sessions["syn_scale"] = np.minimum(source["syn_window_scale"], 14)
    sessions["end"] = source["end"]
    entries = _entries(recording, sessions, speed)
    _settle(entries, settle_s)
    if push:
        _push(recording.messages, entries, speed)
    if hold_s is not None:
        _hold(sessions, entries, hold_s)
    if fields is not None:
        sessions["first_field"], sessions["fields"] = fields.first, fields.count
    payload = np.ascontiguousarray(recording.payload)
    sum_messages(sessions, entries, payload.view(np.ndarray))
    script = Script(
        sessions.view(np.recarray),
        entries.view(np.recarray),
        payload,
        fields or Fields(),
    )
    if verify is None or not verify.size:
        return script
    masks = compared(recording.heads, recording.messages, entries, verify)
    return replace(script, heads=np.ascontiguousarray(recording.heads), masks=masks)


def _settle(entries: npt.NDArray[Any], settle_s: float) -> None:
    """Let the chosen time take the place of the reader's own, which is the least of all."""
    least, chosen = int(1e6 * SETTLE_S), int(1e6 * settle_s)
    entries["settle"] = np.where(entries["settle"] <= least, chosen, np.maximum(entries["settle"], chosen))


def _push(source: npt.NDArray[Any], entries: npt.NDArray[Any], speed: float) -> None:
    """Let every entry follow the one before by recorded time alone, the recorded answer's included."""
    between = (source["gap_ns"] + source["answer_ns"]) / (1000.0 * speed)
    entries["gap"] = np.minimum(between, LONGEST_US).astype(np.int64)
    entries["duration"] = 0
    entries["blind"] = entries["expect"] > 0
    entries["fresh"] |= entries["blind"]
    entries["pipelined"] = entries["early"] = 0


def _hold(sessions: npt.NDArray[Any], entries: npt.NDArray[Any], hold_s: float) -> None:
    """Let every session end with a hold of so many seconds; one without a message begins it once connected."""
    ends = sessions["first"] + sessions["entries"] - 1
    sessions["end"] = End.HELD
    entries["patience"][ends] = int(min(hold_s * 1e6, LONGEST_US))
    # what the server says to a user that never speaks is a push: whether it comes is the server's affair
    entries["expect"][ends[sessions["entries"] == 1]] = 0


def _entries(recording: Recorded, sessions: npt.NDArray[Any], speed: float) -> npt.NDArray[Any]:
    """Entries at the run's speed, in microseconds."""
    source = recording.messages
    entries = np.zeros(len(source), ENTRY)
    entries["gap"] = np.minimum(source["gap_ns"] / (1000.0 * speed), LONGEST_US).astype(np.int64)
    entries["patience"] = np.minimum(source["gap_ns"] // 1000, LONGEST_US) + PATIENCE_US
    entries["duration"] = np.minimum(source["answer_ns"] // 1000, LONGEST_US)
    entries["settle"] = np.minimum(source["settle_ns"] // 1000, LONGEST_US)
    entries["stream_end"] = source["stream_end"]
    entries["expect"] = np.minimum(source["expect"], 0xFFFFFFFF)
    entries["last"][sessions["first"] + sessions["entries"] - 1] = 1
    pipelines.mark(entries, source, sessions["first"].astype(np.int64))
    return entries
