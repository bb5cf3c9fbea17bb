"""What one execution must do: give a recording that is consistent in itself, or one sentence; nothing else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.recording import DEFAULT, Rules
from tests.fuzz.find import Find
from tests.fuzz.reader import Load

_LENIENT = Rules(keep_silent=True, allow_encrypted=True, answer_bytes=100)

MOST_WARNINGS = 20
"""Log lines about one file: damage is told by kind, not by packet."""

_LONGEST = 1000
"""Characters of a sentence, the paths not counted."""


class _Lines(logging.Handler):
    """Keeps the formatted log lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Oracle:
    """Executes the reader and judges what comes of it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._log = _Lines()
        logger = logging.getLogger("gryphon")
        logger.propagate = False
        logger.handlers = [self._log]

    def check(self, path: str, lenient: bool = False) -> Any:
        """Read the file (``lenient``: with rules that reject least) to a recording or a sentence; raises Find."""
        self._log.lines.clear()
        result: Any
        try:
            result = self._load([path], None, _LENIENT if lenient else DEFAULT)
            for broken in violations(result):
                raise Find(f"invariant: {broken}", broken)
        except InputFault as fault:
            result = str(fault)
            _check_sentence("sentence", result, path)
        except Find:
            raise
        except Exception as error:
            raise Find(_place(error), traceback.format_exc()) from None
        if len(self._log.lines) > MOST_WARNINGS:
            raise Find("too many warnings", "\n".join(self._log.lines))
        for line in self._log.lines:
            _check_sentence("warning", line)
        return result

    @staticmethod
    def same(one: Any, other: Any) -> bool:
        """Whether two results of ``Oracle.check`` tell the same."""
        if isinstance(one, str) or isinstance(other, str):
            return bool(isinstance(one, str) and isinstance(other, str) and one == other)
        columns = ("sessions", "messages", "payload", "heads", "connections")
        pairs = ((getattr(one, name), getattr(other, name)) for name in columns)
        return all(np.array_equal(a, b) for a, b in pairs) and one.rejected == other.rejected


def _check_sentence(what: str, text: str, path: str = "") -> None:
    if not text.isprintable() or path not in text or len(text.replace(path, "")) > _LONGEST:
        raise Find(f"{what} is not one line that names the file", repr(text))


def _place(error: Exception) -> str:
    """The kind of an exception and the last line of the reader that it went through."""
    at = "nowhere"
    for frame in traceback.extract_tb(error.__traceback__):
        if "/tests/fuzz/" not in frame.filename and "/site-packages/" not in frame.filename:
            at = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"{type(error).__name__} at {at}"


def violations(recording: Any) -> Iterator[str]:
    """What of a recording contradicts itself, in words that do not change with the numbers."""
    yield from _of_connections(recording)
    if len(recording.sessions):
        yield from _of_messages(recording)
        yield from _of_heads(recording)
        yield from _of_facts(recording)
    else:
        yield "a recording without sessions"


def _of_connections(recording: Any) -> Iterator[str]:
    sessions, connections = recording.sessions, recording.connections
    if recording.recorded != len(sessions) + sum(recording.rejected.values()):
        yield "recorded is not sessions and rejected"
    if recording.recorded != sum(recording.ports.values()):
        yield "recorded is not the sum of the ports"
    if (connections["verdict"] == 0).sum() != len(sessions) or len(connections) != recording.recorded:
        yield "connections that are not the sessions and the rejected"
    for name in ("client_bytes", "server_bytes", "missing"):
        if (connections[name] < 0).any():
            yield f"negative {name} of a connection"
    if (connections["start_ns"] > connections["end_ns"]).any():
        yield "a connection that ends before it starts"
    theirs = connections[connections["session"] >= 0]
    if theirs["session"].tolist() != list(range(len(sessions))) or (theirs["start_ns"] > sessions["start_ns"]).any():
        yield "connections that do not point to their sessions"
    if recording.packets < int(connections["packets"].sum()):
        yield "more packets in connections than in the file"


def _of_messages(recording: Any) -> Iterator[str]:
    sessions, messages, payload = recording.sessions, recording.messages, recording.payload
    counts = sessions["messages"].astype(np.int64) + 1
    first = np.cumsum(counts) - counts
    if int(counts.sum()) != len(messages) or (sessions["first_message"] != first).any():
        yield "the sessions' messages are not the messages"
        return
    lengths = sessions["length"]
    if int(lengths.sum()) != len(payload) or (sessions["payload"] != np.cumsum(lengths) - lengths).any():
        yield "the sessions' lengths are not the payload"
    starts = np.concatenate([[0], messages["stream_end"][:-1]])
    starts[first] = 0
    sizes = messages["stream_end"] - starts
    last = first + counts - 1
    empty = sizes[last]  # the end of a session adds no bytes
    sizes[last] = 1
    if (sizes <= 0).any() or empty.any() or (messages["stream_end"][last] != lengths).any():
        yield "message ends do not rise to the length"
    heard = messages["expect"] + messages["pushed"]
    if (np.add.reduceat(heard, first) != sessions["server_bytes"]).any():
        yield "expected and pushed are not the server's bytes"


def _of_heads(recording: Any) -> Iterator[str]:
    lengths = recording.messages["head_length"].astype(np.int64)
    if (lengths > recording.messages["expect"]).any():
        yield "more bytes kept than expected"
    if int(lengths.sum()) != len(recording.heads):
        yield "the messages' heads are not the heads"
    if len(recording.heads) and (recording.messages["head"] != np.cumsum(lengths) - lengths).any():
        yield "heads that are not one behind the other"


def _of_facts(recording: Any) -> Iterator[str]:
    sessions, messages = recording.sessions, recording.messages
    for name in ("gap_ns", "expect", "answer_ns", "pushed"):
        if (messages[name] < 0).any():
            yield f"negative {name}"
    if (messages["settle_ns"] < 200_000_000).any():
        yield "settle_ns below 200 ms"
    if (sessions["handshake_ns"] < 0).any() or (sessions["server_bytes"] < 0).any():
        yield "negative facts of a session"
    if (sessions["end"] > 4).any() or ((sessions["version"] != 4) & (sessions["version"] != 6)).any():
        yield "a session of no known end or version"
    if recording.packets < 1 or not set(sessions["server_port"].tolist()) <= recording.ports.keys():
        yield "packets or ports that do not cover the sessions"
