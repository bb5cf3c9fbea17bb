"""Hours of the day: over midnight, joined, and how long they are still open."""

from __future__ import annotations

from datetime import datetime

import pytest

from gryphon.controller.errors import InputFault
from gryphon.controller.window import Window, open_s, parse_window, show_windows


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-28T{text}")


@pytest.mark.parametrize(
    ("windows", "now", "hours"),
    [
        ("22:00-06:00", "21:59:59", 0),
        ("22:00-06:00", "22:00:00", 8),
        ("22:00-06:00", "23:30:00", 6.5),
        ("22:00-06:00", "05:30:00", 0.5),
        ("22:00-06:00", "06:00:00", 0),
        ("09:00-17:00", "12:00:00", 5),
        ("09:00-12:00,13:00-17:00", "11:00:00", 1),
        ("09:00-12:00,12:00-17:00", "11:00:00", 6),
        ("09:00-12:00,11:00-17:00", "11:30:00", 5.5),
        ("18:00-24:00", "23:00:00", 1),
        ("18:00-24:00,00:00-02:00", "23:00:00", 3),
        ("00:00-24:00", "12:00:00", 48),
        ("07:00-07:00", "12:00:00", 48),
    ],
)
def test_how_long_it_is_still_open(windows: str, now: str, hours: float) -> None:
    assert open_s([parse_window(text) for text in windows.split(",")], at(now)) == hours * 3600


@pytest.mark.parametrize(
    "text", ["", "22-6", "22:00", "25:00-06:00", "22:60-06:00", "24:00-06:00", "22:00-24:30", "a:b-c:d"]
)
def test_what_is_no_window_is_said(text: str) -> None:
    with pytest.raises(InputFault, match=r"--window .*such as 22:00-06:00"):
        parse_window(text)


def test_a_window_is_shown_as_it_is_written() -> None:
    assert show_windows([parse_window("22:00-6:00"), Window(0, 90)]) == "22:00-06:00 and 00:00-01:30"
