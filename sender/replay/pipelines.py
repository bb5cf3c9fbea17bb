"""Where a session pipelines: which entries may wait for the answers to several messages, and count what comes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

PUSH_PAUSE_NS = 1_000_000_000
"""Server bytes after a longer pause are a push (design, "The replay model")."""

Flags = npt.NDArray[np.bool_]


def mark(entries: npt.NDArray[Any], source: npt.NDArray[Any], first: npt.NDArray[Any]) -> None:
    """Set ``fresh``, ``pipelined`` and ``early`` of the entries (dtype ENTRY, ``last`` already set).

    A stretch begins with a wait for the answers to several messages, or one that the recording shows to overlap with
    answers under way. It ends where the recorded client paused for long enough to settle an answer, and with the
    session. What arrives within a stretch is compared with what was expected in all of it.

    Args:
        entries, source: the script's entries and the recorded messages that they come from.
        first: index of each session's first one.
    """
    awaited, overlaps, last = source["expect"] > 0, source["overlaps"] > 0, entries["last"] > 0
    settled = awaited & ((source["gap_ns"] >= source["settle_ns"]) | (source["pushed"] > 0))
    quiet = (settled | (source["gap_ns"] > PUSH_PAUSE_NS)) & ~overlaps
    several = awaited & (_follows_another(awaited | quiet, first) | overlaps)
    began, ended = _latest(several), _latest(quiet | last)
    stretch = began > np.concatenate([[-1], ended[:-1]])
    entries["pipelined"] = awaited & stretch
    fresh = quiet | (awaited & (last | ~stretch))
    entries["fresh"] = fresh
    entries["early"] = ~fresh & ~last & _next_waits(awaited, fresh | last)


def _follows_another(counted: Flags, first: npt.NDArray[Any]) -> Flags:
    """Whether more than one message left since an answer was ``counted``, or the session began."""
    found = np.zeros(len(counted), np.bool_)
    found[1:] = ~counted[:-1]
    found[first] = False
    second = first + 1
    found[second[second < len(found)]] = False
    return found


def _next_waits(awaited: Flags, ends: Flags) -> Flags:
    """Whether, behind each entry, a wait comes no later than what ``ends`` the count."""
    places = np.flatnonzero(awaited | ends)
    following = np.searchsorted(places, np.arange(len(awaited)), side="right")
    found: Flags = awaited[places[np.minimum(following, len(places) - 1)]]
    return found


def _latest(flags: Flags) -> npt.NDArray[np.int64]:
    """For each index the latest up to it whose flag is set, or -1."""
    found: npt.NDArray[np.int64] = np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))
    return found
