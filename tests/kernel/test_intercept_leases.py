"""The program itself obeys deadlines, nesting and a full ring, whatever becomes of the controller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest
from packets import answer, ipv4, ipv6
from verdicts import PORT, PROGRAMS, SERVER, Program

HOUR = 3600 * 10**9
WIDE, MIDDLE, NARROW = (ip_network(text) for text in ("10.17.0.0/16", "10.17.15.0/24", "10.17.15.9/32"))


@pytest.fixture(scope="module", params=PROGRAMS)
def _small(request: pytest.FixtureRequest) -> Iterator[Program]:
    program = Program(request.param, ring_bytes=4096)
    yield program
    program.close()


@pytest.fixture
def fresh(_small: Program) -> Program:
    """A program with a service and no range, its ring the smallest that there is."""
    _small.reset()
    _small.services.add(ip_address(SERVER), PORT)
    return _small


def test_an_expired_lease_lets_the_range_pass(fresh: Program) -> None:
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns() + HOUR)
    alive = fresh.run(answer(ipv4()))
    fresh.ranges.renew(MIDDLE, time.monotonic_ns())
    assert (alive, fresh.run(answer(ipv4()))) == ("drop", "pass")


def test_a_renewed_lease_drops_again(fresh: Program) -> None:
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns())
    fresh.ranges.renew(MIDDLE, time.monotonic_ns() + HOUR)
    assert fresh.run(answer(ipv4())) == "drop"


def test_nothing_is_dropped_without_a_range(fresh: Program) -> None:
    assert [fresh.run(answer(ipv4())), fresh.run(answer(ipv6()))] == ["pass", "pass"]


def test_the_narrowest_living_range_gives_the_generation(fresh: Program) -> None:
    for generation, network in enumerate((WIDE, MIDDLE, NARROW), 1):
        fresh.ranges.add(network, generation, time.monotonic_ns() + HOUR)
    packets = [answer(ipv4(dst=address)) for address in ("10.17.15.9", "10.17.15.8", "10.17.14.1")]
    assert [fresh.judge(packet)[1]["generation"].tolist() for packet in packets] == [[3], [2], [1]]


def test_an_expired_range_does_not_hide_a_wider_one(fresh: Program) -> None:
    fresh.ranges.add(WIDE, 1, time.monotonic_ns() + HOUR)
    fresh.ranges.add(MIDDLE, 2, time.monotonic_ns())
    fresh.ranges.add(NARROW, 3, time.monotonic_ns())
    verdict, records = fresh.judge(answer(ipv4()))
    assert (verdict, records["generation"].tolist()) == ("drop", [1])


def test_ranges_inside_a_new_one_answer_to_its_generation(fresh: Program) -> None:
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns() + HOUR)
    fresh.ranges.add(WIDE, 2, time.monotonic_ns() + HOUR)
    assert fresh.judge(answer(ipv4()))[1]["generation"].tolist() == [2]


def test_a_range_of_ipv6_alone_leaves_ipv4_alone(fresh: Program) -> None:
    fresh.ranges.add(ip_network("fd00:17::/32"), 1, time.monotonic_ns() + HOUR)
    assert fresh.run(answer(ipv4())) == "pass"


def test_a_removed_service_is_intercepted_as_long_as_its_ranges_live(fresh: Program) -> None:
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns() + HOUR)
    fresh.services.remove(0)
    lingering = fresh.run(answer(ipv4()))
    fresh.ranges.renew(MIDDLE, time.monotonic_ns())
    fresh.services.add(ip_address(SERVER), 81)
    fresh.ranges.add(WIDE, 2, time.monotonic_ns() + HOUR)
    assert (lingering, fresh.run(answer(ipv4()))) == ("drop", "pass")


def test_a_service_with_another_reference_stays(fresh: Program) -> None:
    again = fresh.services.add(ip_address(SERVER), PORT)
    fresh.services.remove(again)
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns() + HOUR)
    assert (again, fresh.run(answer(ipv4()))) == (0, "drop")


def test_a_full_ring_still_drops_and_counts(fresh: Program) -> None:
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns() + HOUR)
    counted = [fresh.counted(answer(ipv4())) for _ in range(60)]
    assert [(one.matched, one.recorded, one.ring_full) for one in counted] == [(1, 1, 0)] * 56 + [(1, 0, 1)] * 4
    assert fresh.run(answer(ipv4())) == "drop"
    assert len(fresh.ring.read()) == 56


def test_a_ring_that_was_full_takes_records_again(fresh: Program) -> None:
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns() + HOUR)
    for _ in range(60):
        fresh.run(answer(ipv4()))
    fresh.ring.read()
    assert len(fresh.judge(answer(ipv4()))[1]) == 1


def test_records_come_whole_and_in_order_over_many_wraps(fresh: Program) -> None:
    fresh.ranges.add(MIDDLE, 1, time.monotonic_ns() + HOUR)
    seen: list[int] = []
    for seq in range(1000):
        fresh.run(answer(ipv4(), seq=seq))
        if seq % 37 == 36 or seq == 999:
            seen += fresh.ring.read()["seq"].tolist()
    assert seen == list(range(1000))
