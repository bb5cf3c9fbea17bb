"""Whoever had the time while packets left late is named, and gryphon itself only when it was its own work."""

from __future__ import annotations

import pytest
from facts import counts_of

from gryphon.sender.results.lateness import LATE_US, WhileLate, is_late, late_sentence

OWN = "it, not the server, was the limit"
OTHERS = "other processes ran instead for"


def said(late_ms: float = 4.0, delay_ms: float = 0.0, elapsed_s: float = 10.0, **seconds: float) -> str:
    time = WhileLate(elapsed_s=elapsed_s, **{"available_s": elapsed_s, **seconds})
    sentence = late_sentence({"late_p99_us": late_ms * 1000, "while_late": time.document()}, delay_ms * 1000)
    assert sentence is not None
    assert sentence.startswith("gryphon was late, p99 ")
    return sentence.split(" ms: ", 1)[1]


@pytest.mark.parametrize("late_us", [None, 0, LATE_US])
def test_who_is_in_time_says_nothing(late_us: int | None) -> None:
    busy = WhileLate(elapsed_s=1.0, available_s=1.0, busy_s=1.0)
    assert late_sentence({"late_p99_us": late_us, "while_late": busy.document()}, None) is None


def test_its_own_work_is_the_limit_when_it_filled_the_processor() -> None:
    assert said(busy_s=9.7, waited_s=0.3) == f"{OWN}, 97 % busy"
    assert said(busy_s=8.4, waited_s=1.6) == f"{OWN}, 84 % busy"


def test_so_it_is_when_a_burst_of_it_was_late_and_nobody_else_there() -> None:
    assert said(late_ms=20, busy_s=1.5, waited_s=0.01) == f"{OWN}, 15 % busy"


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("waited_s", f"{OTHERS} 40 %"),
        ("stolen_s", "other machines ran instead for 40 %"),
        ("device_s", "its device took nothing for 40 %"),
        ("held_s", "the intercept's limits held it for 40 %"),
    ],
)
def test_what_kept_it_waiting_is_named_with_its_share(cause: str, words: str) -> None:
    assert said(busy_s=5.5, **{cause: 4.0}) == words


def test_the_longest_wait_is_the_one_that_is_named() -> None:
    assert said(busy_s=4.0, waited_s=2.0, stolen_s=3.0) == "other machines ran instead for 30 %"


def test_a_short_wait_explains_what_is_shorter_and_not_what_is_longer() -> None:
    assert said(late_ms=20, busy_s=5.0, waited_s=0.5) == f"{OTHERS} 5 %"
    assert said(late_ms=200, busy_s=5.0, waited_s=0.5) == f"{OWN}, 50 % busy"


def test_the_little_that_every_wake_up_waits_explains_nothing() -> None:
    assert said(late_ms=3, busy_s=5.0, waited_s=0.15) == f"{OWN}, 50 % busy"


def test_its_own_processes_that_wait_for_each_other_are_no_others() -> None:
    crowd = {"elapsed_s": 20.0, "available_s": 10.0, "busy_s": 9.5, "waited_s": 10.0}
    assert said(**crowd) == f"{OWN}, 48 % busy"
    assert said(**{**crowd, "busy_s": 5.0, "waited_s": 15.0}) == f"{OTHERS} 50 %"
    assert said(**{**crowd, "busy_s": 1.0, "waited_s": 5.0}) == f"{OTHERS} 20 %"


def test_answers_that_came_late_from_the_intercept_are_no_lateness_of_its_own() -> None:
    assert said(late_ms=50, delay_ms=45, busy_s=1.0) == "answers took 45.0 ms from the intercept"
    assert said(late_ms=50, delay_ms=5, busy_s=1.0) == f"{OWN}, 10 % busy"


def test_neither_work_nor_waiting_as_long_as_packets_were_late_is_said_to_explain_nothing() -> None:
    assert said(late_ms=4000, busy_s=0.3) == "neither work nor waiting explains it"


def test_a_standstill_explains_what_is_no_longer_than_twice_it_whoever_else_was_there() -> None:
    stopped = "it was stopped, or the machine, for over 3.0 s"
    assert said(late_ms=5900, busy_s=2.0, waited_s=3.0, still_s=3.0) == stopped
    assert said(late_ms=6100, busy_s=2.0, waited_s=3.0, still_s=3.0) == f"{OTHERS} 30 %"


@pytest.mark.parametrize(("late", "of", "is_so"), [(1, 100, False), (2, 100, True), (0, 0, False), (1, 1, True)])
def test_seconds_count_in_which_more_than_one_packet_of_a_hundred_was_late(late: int, of: int, is_so: bool) -> None:
    values = [LATE_US + 1] * late + [LATE_US] * (of - late)
    assert is_late(counts_of(values)) is is_so
