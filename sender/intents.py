"""What a run is going to do, as its intercepts are told: users, new sessions a second, and whose it is."""

from __future__ import annotations

import getpass
import math
import os
import shlex
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gryphon.controller.intent import Intent
from gryphon.sender.redact import without_secrets

if TYPE_CHECKING:
    from gryphon.sender.prepare import Prepared
    from gryphon.sender.replay.arrivals import Arrivals

_MOST_STARTS = 1_000_000


def whose(users: int = 0, sessions_s: float | None = None) -> Intent:
    """Who runs this command here."""
    command = shlex.join(["gryphon", *without_secrets(sys.argv[1:])])
    return Intent(users, sessions_s, user=_user(), host=socket.gethostname(), command=command)


def intents(prepared: Prepared) -> list[Intent]:
    """What each process of the run is going to do."""
    run, users, parts = whole_intent(prepared), prepared.options.users, len(prepared.shares)
    rate = None if run.sessions_s is None else run.sessions_s / parts
    return [
        replace(run, users=len(range(share.number, users, share.of)), sessions_s=rate, parts=parts - number)
        for number, share in enumerate(prepared.shares)
    ]


def whole_intent(prepared: Prepared) -> Intent:
    """What the run is going to do, in one process or as a whole."""
    peak = peak_rate(prepared.arrivals)
    run = whose(prepared.options.users, None if math.isinf(peak) else peak)
    return replace(run, firm=is_firm(prepared))


def is_firm(prepared: Prepared) -> bool:
    """Whether the user named the rate, so that another one would be another run."""
    options = prepared.options
    return options.ramp is not None or options.arrivals == "recorded" or options.rate not in (None, "max")


def peak_rate(arrivals: Arrivals) -> float:
    """The most sessions that the schedule starts in a second; infinity: all at once."""
    from gryphon.sender.replay.arrivals import Spacing

    if arrivals.spacing is not Spacing.RECORDED:
        return max(rate for _, rate in arrivals.ramp)
    once, period = arrivals.starts_us, max(arrivals.period_us, 1)
    passes = min(math.ceil(1e6 / period) + 1, max(_MOST_STARTS // len(once), 1))
    starts = (once + period * np.arange(passes)[:, None]).reshape(-1)
    within = np.searchsorted(starts, starts + 1_000_000) - np.arange(len(starts))
    return max(float(within.max()), len(once) / (period / 1e6))


def _user() -> str:
    """The person, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
