"""Why packets left late: what had the time meanwhile, gryphon, others, the device, the limits or the channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from gryphon.sender.replay.measures import bucket_of
from gryphon.sender.results.histogram import Counts
from gryphon.sender.results.human import milliseconds

LATE_US: Final = 2_000
"""One packet of a hundred leaves later than that: the load is no longer the one that was asked for."""

_SATURATED: Final = 0.8
"""Of the time that gryphon could have had; a processor that full has queues, whoever else wants it, too."""

_LEAST, _AMPLE = 0.02, 0.1
"""Shares of time: waiting less explains nothing (every wake-up waits a little), and waiting more explains it."""


@dataclass(frozen=True)
class WhileLate:
    """Where the time of the sending processes went in the seconds in which one packet of a hundred was late."""

    elapsed_s: float = 0.0  # each process's own, added up
    available_s: float = 0.0  # the same, as far as there are processors for so many processes
    busy_s: float = 0.0  # of processor time
    waited_s: float = 0.0  # ready to run, while others had the processor
    stolen_s: float = 0.0  # running, as far as this machine knows, while its host ran others
    device_s: float = 0.0  # until the device took what was to leave
    held_s: float = 0.0  # held back by the intercept's limits
    still_s: float = 0.0  # at a standstill, whatever stopped it: so long at least, up to a second more

    def plus(self, other: WhileLate) -> WhileLate:
        """Both together."""
        mine, theirs = asdict(self), asdict(other)
        return WhileLate(**{name: mine[name] + theirs[name] for name in mine})

    def document(self) -> dict[str, float]:
        """As the result file has it."""
        return {name: round(seconds, 6) for name, seconds in asdict(self).items()}


def is_late(counts: Counts) -> bool:
    """Whether of these packets more than one of a hundred was late."""
    return bool(counts[bucket_of(LATE_US) + 1 :].sum() * 100 > counts.sum())


def late_sentence(pacing: Mapping[str, Any], delay_p99_us: float | None) -> str | None:
    """How late gryphon was and why, one clause, of a result's ``pacing``; None when it was in time.

    Args:
        delay_p99_us: of the records' way from the intercept.
    """
    late = pacing["late_p99_us"]
    if (late or 0) <= LATE_US:
        return None
    why = _why(late / 1e6, WhileLate(**pacing["while_late"]), (delay_p99_us or 0) / 1e6)
    return f"gryphon was late, p99 {milliseconds(late / 1000)} ms: {why}"


def _why(late_s: float, time: WhileLate, delay_s: float) -> str:
    """The likeliest cause. What kept gryphon waiting explains its lateness when it is a good part of the time, or
    a notable one and, in each second, as long as packets were late; its own work when that filled the processor,
    or when nothing else is to be seen and there was as much of it; a standstill, which is in one piece, when without
    it packets would have been late by half at most.
    """
    elapsed = max(time.elapsed_s, 1e-9)
    each_other = time.busy_s * max(elapsed / max(time.available_s, 1e-9) - 1, 0)  # its processes wait so long at most
    waits = {
        "the intercept's limits held it for {}": time.held_s,
        "its device took nothing for {}": time.device_s,
        "other processes ran instead for {}": max(time.waited_s - each_other, 0),
        "other machines ran instead for {}": time.stolen_s,
    }
    words, longest_s = max(waits.items(), key=lambda wait: wait[1])
    share, busy = longest_s / elapsed, time.busy_s / elapsed
    own = f"it, not the server, was the limit, {_percent(busy)} busy"
    if time.still_s >= late_s / 2:
        return f"it was stopped, or the machine, for over {time.still_s:.1f} s"
    if busy >= _SATURATED * time.available_s / elapsed and busy > share:
        return own
    if share >= _AMPLE or (share >= _LEAST and share >= late_s):
        return words.format(_percent(share))
    if delay_s >= late_s / 2:
        return f"answers took {milliseconds(delay_s * 1e3)} ms from the intercept"
    if time.busy_s >= late_s:
        return own
    return "neither work nor waiting explains it"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
