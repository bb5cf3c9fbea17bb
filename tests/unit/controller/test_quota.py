"""What the operator allows is never given away twice, and who asks for more than is free hears how much is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gryphon.controller.errors import GrantRefused
from gryphon.controller.intent import Intent, parse_intent
from gryphon.controller.quota import Allowance, Book, Quota, parse_quota, strictest
from gryphon.controller.window import parse_window

NOON = datetime(2026, 11, 28, 12, 0)


def test_without_an_allowance_everything_is_allowed() -> None:
    assert Book(Allowance()).reserve(Intent(10**9, None), NOON) == Quota()


def test_users_are_set_aside_until_the_end_of_their_grant() -> None:
    book = Book(Allowance(users=100))
    book.enter(1, book.reserve(Intent(60), NOON))
    with pytest.raises(
        GrantRefused, match=r"50 users are too many: of 100 users allowed here 40 are free \(--max-users"
    ):
        book.reserve(Intent(50), NOON)
    book.leave(1)
    assert book.reserve(Intent(50), NOON).users == 50
    with pytest.raises(GrantRefused, match="101 users are too many: 100 users are allowed here"):
        book.reserve(Intent(101), NOON)


def test_a_rate_that_was_named_is_given_or_refused() -> None:
    book = Book(Allowance(sessions_s=1000))
    assert book.reserve(Intent(1, 1000, firm=True), NOON).sessions_s == 1000
    with pytest.raises(GrantRefused, match=r"1,500 new sessions per second are too many: 1,000 .*--max-rate.*lower -i"):
        book.reserve(Intent(1, 1500, firm=True), NOON)


def test_a_rate_that_was_left_open_is_lowered() -> None:
    book = Book(Allowance(sessions_s=400))
    assert book.reserve(Intent(1, 1000), NOON).sessions_s == 400
    assert book.reserve(Intent(1, None), NOON).sessions_s == 400
    assert book.reserve(Intent(1, 100), NOON).sessions_s == 100


def test_processes_of_a_run_get_equal_shares_of_what_is_free() -> None:
    book = Book(Allowance(sessions_s=900))
    for generation, parts in ((1, 3), (2, 2), (3, 1)):
        quota = book.reserve(Intent(1, None, parts=parts), NOON)
        book.enter(generation, quota)
        assert quota.sessions_s == pytest.approx(300)
    with pytest.raises(
        GrantRefused, match=r"as many new sessions per second as can be are too many: of 900 .* 0 are free"
    ):
        book.reserve(Intent(), NOON)


@given(
    st.lists(
        st.builds(
            Intent,
            users=st.integers(0, 60),
            sessions_s=st.none() | st.floats(0.001, 2000),
            firm=st.booleans(),
            parts=st.integers(1, 8),
        ),
        max_size=30,
    )
)
def test_never_more_is_set_aside_than_there_is(intents: list[Intent]) -> None:
    book, held = Book(Allowance(sessions_s=1000, users=100)), list[Quota]()
    for generation, intent in enumerate(intents):
        try:
            quota = book.reserve(intent, NOON)
        except GrantRefused:
            continue
        book.enter(generation, quota)
        held.append(quota)
    assert sum(quota.users or 0 for quota in held) <= 100
    assert sum(quota.sessions_s or 0 for quota in held) <= 1000 * (1 + 1e-6)


def test_packets_are_shared_by_those_that_live() -> None:
    book = Book(Allowance(packets_s=1000))
    first = book.reserve(Intent(), NOON)
    book.enter(1, first)
    second = book.reserve(Intent(), NOON)
    book.enter(2, second)
    assert (first.packets_s, second.packets_s, book.packets()) == (1000, 500, 500)
    book.leave(1)
    assert book.packets() == 1000


def test_processes_of_a_run_share_the_packets_from_the_first_on() -> None:
    book = Book(Allowance(packets_s=900))
    for generation, parts in ((1, 3), (2, 2), (3, 1)):
        quota = book.reserve(Intent(parts=parts), NOON)
        book.enter(generation, quota, parts)
        assert (quota.packets_s, book.packets()) == (300, 300)


def test_a_process_that_ends_early_leaves_its_packets_to_the_others() -> None:
    book = Book(Allowance(packets_s=900))
    for generation, parts in ((1, 3), (2, 2), (3, 1)):
        book.enter(generation, book.reserve(Intent(parts=parts), NOON), parts)
    book.leave(1)
    assert book.packets() == 450
    book.leave(3)
    assert book.packets() == 900


def test_two_runs_whose_processes_come_mixed_never_have_more_than_there_is() -> None:
    book = Book(Allowance(packets_s=1200))
    for generation, parts in enumerate((3, 2, 2, 1, 1)):
        quota = book.reserve(Intent(parts=parts), NOON)
        book.enter(generation, quota, parts)
        share = book.packets()
        assert share is not None
        assert share == quota.packets_s <= 1200 / (generation + 1)
    assert book.packets() == 240


def test_a_run_that_is_given_up_half_way_leaves_nothing_behind() -> None:
    book = Book(Allowance(packets_s=900))
    for generation, parts in ((1, 3), (2, 2)):
        book.enter(generation, book.reserve(Intent(parts=parts), NOON), parts)
    book.leave(1)
    book.leave(2)
    assert book.packets() == 900


def test_outside_of_the_hours_nothing_is_granted() -> None:
    book = Book(Allowance(windows=(parse_window("22:00-06:00"),)))
    with pytest.raises(GrantRefused, match="grants are given 22:00-06:00 here, and now it is 12:00"):
        book.reserve(Intent(), NOON)
    assert book.reserve(Intent(), NOON.replace(hour=23)).seconds == 7 * 3600


def test_a_quota_comes_over_the_channel_as_it_was() -> None:
    for quota in (Quota(), Quota(1000.0, 50.5, 7, 3600.0)):
        assert parse_quota(quota.message()) == quota


def test_of_several_intercepts_the_strictest_counts() -> None:
    assert strictest([Quota(packets_s=10), Quota(5, 3, 2), Quota(users=9)]) == Quota(5, 3, 2)
    assert strictest([Quota()]) == Quota()


def test_an_allowance_is_said_in_words() -> None:
    allowance = Allowance(20_000, 1000, 5000, (parse_window("22:00-06:00"),))
    assert str(allowance) == "20,000 packets/s, 1,000 new sessions/s, 5,000 users, only 22:00-06:00"
    assert str(Allowance()) == ""


def test_an_intent_comes_over_the_channel_as_it_was() -> None:
    intent = Intent(5, 2.5, True, 3, "ada", "lab", "gryphon send -u 5")
    assert parse_intent(intent.message()) == intent
    assert parse_intent(None) == Intent()
    assert parse_intent(replace(intent, command="x" * 10_000).message()) == replace(intent, command="x" * 512)


def test_a_sender_writes_no_lines_of_its_own_into_a_log() -> None:
    who = Intent(user="eve\n12:00 grant 1 to root", host="\x1b[2J", command="a\rb\u2028c\x85").who()
    assert who == "eve?12:00 grant 1 to root@?[2J: a?b?c?"
    assert who.isprintable()


@pytest.mark.parametrize(
    "message",
    [
        5,
        [],
        {"users": -1},
        {"users": True},
        {"users": 1 << 41},
        {"parts": 0},
        {"parts": 65},
        {"firm": 1},
        {"sessions_s": 0},
        {"sessions_s": float("nan")},
        {"sessions_s": "many"},
        {"sessions_s": 10**400},
        {"user": 5},
        {"command": None},
    ],
)
def test_an_intent_without_sense_is_none(message: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse_intent(message)
