"""Whether connection tracking has room: a table that is empty, filling, full, or not there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import AWAY, SENDER, spoiled

from gryphon.sender.check.conntrack import COUNT, MOST, conntrack
from gryphon.sender.check.point import Finding, Verdict


def found(count: int | None, most: int | None, users: int | None) -> Finding:
    table = {name: value for name, value in ((COUNT, count), (MOST, most)) if value is not None}
    (finding,) = conntrack(spoiled(AWAY, sysctls=table), replace(SENDER, users=users))
    return finding


@pytest.mark.parametrize(("count", "most"), [(None, None), (10, None), (None, 1000)])
def test_a_kernel_without_the_table_tracks_nothing(count: int | None, most: int | None) -> None:
    assert found(count, most, 10**6) == (Verdict.SUPPORTED, "connections are not tracked here", "")


def test_an_empty_table_is_one_that_no_rule_fills_however_many_users() -> None:
    assert found(0, 1000, 10**6).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("count", "users", "verdict"),
    [
        (949, 1, Verdict.SUPPORTED),
        (949, 2, Verdict.NOT),
        (950, 1, Verdict.NOT),
        (1, 949, Verdict.SUPPORTED),
        (1, 950, Verdict.NOT),
    ],
)
def test_each_user_is_an_entry_and_a_twentieth_stays_free(count: int, users: int, verdict: Verdict) -> None:
    assert found(count, 1000, users).verdict is verdict


def test_a_full_table_is_doubled_and_one_too_small_fits_twice_the_users() -> None:
    assert found(950, 1000, 1).seen.startswith("the table of tracked connections is full")
    full, small = found(990, 1000, 1), found(100, 1000, 5000)
    assert full.seen == (
        "the table of tracked connections is full: 990 of at most 1,000 connections are tracked; new ones are dropped"
    )
    assert full.mend.startswith(f"sysctl -w {MOST}=2000, or leave the service untracked")
    assert small.seen.startswith("5,000 users do not fit into the table of tracked connections")
    assert small.mend.startswith(f"sysctl -w {MOST}=10200, or")


def test_without_a_number_of_users_nobody_can_tell() -> None:
    finding = found(100, 1000, None)
    assert (finding.verdict, finding.mend) == (Verdict.UNKNOWN, "give -u")
    assert found(960, 1000, None).verdict is Verdict.NOT


def test_a_table_without_a_bound_is_never_full() -> None:
    assert found(10**6, 0, 10**6).verdict is Verdict.SUPPORTED
