"""The schedule lowered to what the intercept allows.

What the user named by a figure (-i 5000, --ramp, --arrivals recorded) is never changed: the intercept refuses it, and
says how much is free. What was left open (-i max, the default) is lowered, with a word.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from gryphon.controller.quota import Quota
from gryphon.sender.intents import peak_rate
from gryphon.sender.prepare import Prepared

log = logging.getLogger("gryphon")


def obey(prepared: Prepared, quotas: Sequence[Quota]) -> Prepared:
    """The run with a schedule that the quotas of its processes allow; a word where it is another than before."""
    left = min((quota.seconds for quota in quotas if quota.seconds is not None), default=None)
    if left is not None:
        log.info("the intercept's hours end in %.0f minutes, and this run with them", left / 60)
    shares = [quota.sessions_s for quota in quotas if quota.sessions_s is not None]
    if len(shares) < len(quotas) or sum(shares) >= peak_rate(prepared.arrivals) * (1 - 1e-9):
        return prepared
    rate = sum(shares)
    log.warning("users start at %s a second: the intercept allows no more new sessions", f"{rate:,.6g}")
    return replace(prepared, arrivals=replace(prepared.arrivals, ramp=((0.0, rate),)))
