"""Hours of the day, local time, such as 22:00-06:00: in which of them an intercept gives grants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gryphon.controller.errors import InputFault

_FORM = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)", re.ASCII)
_DAY_MIN = 24 * 60


class Window(NamedTuple):
    """From one minute of the day to another, which may be on the next day; equal ones: the whole day."""

    begin: int
    end: int

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in self)


def parse_window(text: str) -> Window:
    """``HH:MM-HH:MM``; 24:00 ends a day. InputFault for other forms."""
    match = _FORM.fullmatch(text.strip())
    minutes = [60 * int(match[i]) + int(match[i + 1]) for i in (1, 3)] if match else [_DAY_MIN + 1]
    if not match or max(minutes) > _DAY_MIN or int(match[2]) > 59 or int(match[4]) > 59 or minutes[0] == _DAY_MIN:
        raise InputFault(f"--window {text}: give times of the day such as 22:00-06:00, several with commas")
    return Window(minutes[0], minutes[1])


def show_windows(windows: Sequence[Window]) -> str:
    """The windows in words."""
    return " and ".join(map(str, windows))


def open_s(windows: Sequence[Window], now: datetime) -> float:
    """Seconds from now until all windows are closed, at most two days; 0 when they are.

    Where one ends as another begins the time goes on.
    """
    second = now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6
    left = 0.0
    for _ in range(2 * len(windows) + 1):
        further = max((_left(window, second + left) for window in windows), default=0.0)
        if further <= 0:
            break
        left += further
    return min(left, 2 * 86_400.0)


def _left(window: Window, second: float) -> float:
    """Seconds of the day until this window closes; 0 outside of it."""
    begin, end = window.begin * 60.0, window.end * 60.0
    length = (end - begin) % 86_400 or 86_400.0
    gone = (second - begin) % 86_400
    return length - gone if gone < length else 0.0
