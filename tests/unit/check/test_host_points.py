"""What kernel, driver and process can is told as far as it is known, and needed where answers are dropped alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import ASSISTANT, AWAY, ETH0, ETH1, SENDER, SERVER, rows, spoiled

from gryphon.sender.check.facts import Asked
from gryphon.sender.check.point import Verdict

WATCHING = replace(ASSISTANT, interfaces=("eth0",))


@pytest.mark.parametrize(
    ("release", "verdict"),
    [
        ("5.17.15", Verdict.NOT),
        ("5.18.0", Verdict.SUPPORTED),
        ("6.1.0-18-amd64", Verdict.SUPPORTED),
        ("4.99", Verdict.NOT),
        ("next", Verdict.UNKNOWN),
    ],
)
def test_a_kernel_is_new_enough_by_its_numbers(release: str, verdict: Verdict) -> None:
    (row,) = rows(spoiled(AWAY, release=release), ASSISTANT, "kernel")
    assert row.finding.verdict is verdict
    assert release in row.finding.seen


@pytest.mark.parametrize(
    ("changes", "mend"),
    [({"up": False}, "ip link set dev eth0 up"), ({"ethernet": False}, "choose the Ethernet interface below it")],
)
def test_an_interface_that_can_carry_nothing_is_named_with_what_to_do(changes: dict[str, bool], mend: str) -> None:
    facts = spoiled(AWAY, interfaces=(ETH0._replace(**changes), ETH1))  # type: ignore[arg-type]
    (row,) = rows(facts, WATCHING, "XDP")
    assert (row.finding.verdict, row.finding.mend) == (Verdict.NOT, mend)


def test_an_interface_that_is_not_there_is_named_with_those_that_are() -> None:
    (row,) = rows(AWAY, replace(ASSISTANT, interfaces=("eth9",)), "XDP")
    assert row.finding == (Verdict.NOT, "there is no interface eth9", "name one of those there are: -i eth0 or eth1")


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        (None, Verdict.UNKNOWN),
        (-1, Verdict.SUPPORTED),
        ((64 << 20) - 1, Verdict.NOT),
        (64 << 20, Verdict.SUPPORTED),
    ],
)
def test_the_limit_of_locked_memory_is_judged_where_maps_count_for_it(limit: int | None, verdict: Verdict) -> None:
    (row,) = rows(spoiled(AWAY, release="5.10.0", memory_lock=limit), ASSISTANT, "memory lock")
    assert row.finding.verdict is verdict
    (row,) = rows(spoiled(AWAY, release="5.11.0", memory_lock=limit), ASSISTANT, "memory lock")
    assert row.finding.verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("asked", "needed"),
    [
        (Asked(), True),
        (ASSISTANT, True),
        (SENDER, False),
        (replace(SENDER, local=(("xdp", "eth0"),)), True),
        (SERVER, False),
        (replace(SERVER, interfaces=("eth0",)), True),
    ],
    ids=["nobody", "assistant", "sender", "local", "server", "server that watches"],
)
def test_what_intercepting_needs_is_needed_where_this_host_intercepts(asked: Asked, needed: bool) -> None:
    lacking = spoiled(AWAY, ring_buffer=False, clsact=False, missing=("CAP_BPF",), bcc="none", headers="none")
    points = {"ring buffer", "clsact", "capabilities", "bcc", "UAPI headers"}
    assert {row.point for row in rows(lacking, asked) if row.bad and row.role == "host"} == (
        points if needed else set()
    )
    (live,) = rows(spoiled(AWAY, live_frames=False), asked, "live frames")
    assert not live.needed
