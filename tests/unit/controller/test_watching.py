"""Who obeys is never accused; who exceeds by a margin is, soon; and users are counted well enough."""

from __future__ import annotations

import re
from ipaddress import ip_address

import numpy as np
import pytest
from fakes import records_of

from gryphon.controller.quota import Quota
from gryphon.controller.record import Kind, Records
from gryphon.controller.watching import Crowd, Watch, is_syn_ack

SECOND = 1_000_000_000


def answers(count: int, opened: int = 0, first: int = 0) -> Records:
    """Answers to so many different users, some of which have just begun."""
    records = records_of(1, count)
    users = np.arange(first, first + count)
    records["address_lo"] += (users // 28_000).astype(np.uint64)
    records["port"] = 32_768 + users % 28_000
    records["flags"] = 0x10
    records["flags"][:opened] = 0x12
    return records


def seconds_until(watch: Watch, batch: Records, most: int = 60) -> tuple[float, str] | None:
    """When it says something against a sender with such a batch in every tenth of a second, and what."""
    for tenth in range(most * 10):
        against = watch.look(batch, tenth * SECOND // 10)
        if against is not None:
            return tenth / 10, against
    return None


@pytest.mark.parametrize(
    ("quota", "batch"),
    [
        (Quota(), answers(100_000, 50_000)),
        (Quota(sessions_s=1000), answers(5000, 100)),
        (Quota(sessions_s=1000), answers(5000, 145)),  # every second one comes twice
        (Quota(packets_s=10_000), answers(2000)),  # two answers to each packet
        (Quota(users=3000), answers(3000)),
        (Quota(users=3000), answers(3000, 1000)),
        (Quota(1000, 100, 100, 3600), answers(100, 10)),
    ],
)
def test_who_obeys_is_never_accused(quota: Quota, batch: Records) -> None:
    assert seconds_until(Watch(quota, 0), batch) is None


@pytest.mark.parametrize(
    ("quota", "batch", "within", "sentence"),
    [
        (Quota(sessions_s=1000), answers(500, 200), 16, "opens far more than the 1,000 new sessions a second granted"),
        (Quota(sessions_s=1000), answers(2000, 1000), 1, "opens far more"),
        (Quota(packets_s=1000), answers(800), 6, "answered far more often than 1,000 a second allow"),
        (Quota(packets_s=1000), answers(10_000), 1, "answered far more often"),
        (Quota(users=1000), answers(2500), 2, r"about 2,[45]\d\d users of this sender .* 1,000 are granted"),
    ],
)
def test_who_exceeds_by_a_margin_is_accused_soon(quota: Quota, batch: Records, within: float, sentence: str) -> None:
    found = seconds_until(Watch(quota, 0), batch)
    assert found is not None
    assert found[0] <= within
    assert re.search(sentence, found[1])


def test_a_reader_that_stood_still_accuses_nobody() -> None:
    watch = Watch(Quota(packets_s=1000, sessions_s=100), 0)
    assert watch.look(answers(1000, 100), 0) is None
    assert watch.look(answers(8000, 400), 4 * SECOND) is None  # four seconds in one batch


def test_a_smaller_share_of_the_packets_counts_from_then_on() -> None:
    watch = Watch(Quota(packets_s=1000), 0)
    watch.allow_packets(100, 0)
    assert seconds_until(watch, answers(150)) is not None
    watch = Watch(Quota(packets_s=1000), 0)
    assert seconds_until(watch, answers(150)) is None


def test_users_who_come_and_go_are_not_taken_for_many_at_once() -> None:
    watch = Watch(Quota(users=100), 0)
    for second in range(60):
        assert watch.look(answers(4000, 4000, 4000 * second), second * SECOND) is None


@pytest.mark.parametrize("count", [0, 1, 1000, 100_000])
def test_a_crowd_is_counted_well_enough(count: int) -> None:
    crowd = Crowd(count)
    for first in range(0, count, 10_000):
        crowd.add(answers(min(count - first, 10_000), first=first))
    crowd.add(answers(min(count, 500)))  # again
    assert crowd.estimate() == pytest.approx(count, rel=0.03, abs=2)
    crowd.clear()
    assert crowd.estimate() == 0


def test_more_than_can_be_told_is_very_many() -> None:
    crowd = Crowd(0)
    for first in range(0, 200_000, 10_000):
        crowd.add(answers(10_000, first=first))
    assert crowd.estimate() > 8192


def test_addresses_of_both_versions_count() -> None:
    crowd = Crowd(1000)
    records = answers(500)
    records["address_hi"], records["address_lo"] = 0xFD00 << 48, np.arange(500) + int(ip_address("::1"))
    crowd.add(records)
    crowd.add(answers(500))
    assert crowd.estimate() == pytest.approx(1000, rel=0.05)


def test_only_answers_to_a_syn_open_sessions() -> None:
    records = answers(4)
    records["flags"] = [0x12, 0x10, 0x02, 0x52]
    assert is_syn_ack(records).tolist() == [True, False, False, True]
    records["kind"] = Kind.ICMP
    assert not is_syn_ack(records).any()
