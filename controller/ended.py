"""How a grant's run ended, in the words of both logs."""

from __future__ import annotations

import enum


class Ended(enum.StrEnum):
    """How it ended; on the channel the name is told."""

    OVER = "the run is over"
    INCOMPLETE = "the run is over, and not all of its users have completed"
    INTERRUPTED = "the run was interrupted"
    EARLY = "the run ended before its time"
    LOST = "the grant was lost"
    FAULT = "the run was broken off by a fault"
    UNSTARTED = "the run did not start"
    REHEARSED = "it was a dry run"
    CHECKED = "it was gryphon check's"


def told(message: dict[str, object]) -> Ended:
    """How a sender says that its run ended, in its last message."""
    name = message.get("how")
    if isinstance(name, str) and name.upper() in Ended.__members__:
        return Ended[name.upper()]
    return Ended.OVER if message.get("clean") is True else Ended.FAULT
