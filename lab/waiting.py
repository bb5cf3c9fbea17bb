"""Waiting for something to be true, never for a time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from gryphon.controller.errors import EnvironmentFault

Answer = TypeVar("Answer")

_PAUSE = 0.01


def until(what: str, ask: Callable[[], Answer | None], *, seconds: float = 10.0) -> Answer:
    """Asks again and again until the answer is not None (nor False), and gives it back.

    Raises:
        EnvironmentFault: it took longer than `seconds`; the sentence says `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise EnvironmentFault(f"The lab waited {seconds:g} s in vain for {what}.")
        time.sleep(_PAUSE)
