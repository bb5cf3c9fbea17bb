"""The channel end to end over loopback: every record arrives once, in order, at its own sender."""

from __future__ import annotations

import select
import time
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pytest
from fakes import FakeInterception, records_of

from gryphon.controller.client import Channel
from gryphon.controller.errors import EnvironmentFault, GrantLost, GrantRefused
from gryphon.controller.record import RECORD, Records
from gryphon.controller.samples import sampled


def read_until(channel: Channel, count: int) -> Records:
    """Read as a sender does, until ``count`` records have come."""
    batches: list[Records] = []
    while sum(map(len, batches)) < count:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        batches.append(channel.read())
    return np.concatenate(batches)


def test_records_arrive_whole_and_in_order(serve: Any) -> None:
    running = serve()
    channel = running.connect()
    fed = [records_of(channel.grant.generation, count) for count in (1, 5000, 3, 65536)]
    for batch in fed:
        running.interception.ring.feed(batch)
    got = read_until(channel, sum(map(len, fed)))
    expected = np.concatenate(fed)
    for name in (expected.dtype.names or ())[1:]:
        np.testing.assert_array_equal(got[name], expected[name])


def test_times_are_on_the_local_clock_and_never_in_the_future(serve: Any) -> None:
    running = serve()
    channel = running.connect()
    sent = records_of(channel.grant.generation, 100, age_ns=1_000_000)
    running.interception.ring.feed(sent)
    got = read_until(channel, 100)
    off = got["time_ns"].astype(np.int64) - sent["time_ns"].astype(np.int64)
    assert abs(off).max() <= channel.clock().uncertainty_ns + 100_000
    assert got["time_ns"].max() <= time.monotonic_ns()


def test_two_senders_get_each_their_own(serve: Any) -> None:
    running = serve()
    first = running.connect()
    second = running.connect(ranges=[ip_network("10.18.0.0/16"), ip_network("fd00:17::/64")])
    mixed = np.concatenate([records_of(first.grant.generation, 300), records_of(second.grant.generation, 200)])
    np.random.default_rng(1).shuffle(mixed)
    running.interception.ring.feed(mixed)
    for channel, count in ((first, 300), (second, 200)):
        got = read_until(channel, count)
        mine = mixed[mixed["generation"] == channel.grant.generation]
        np.testing.assert_array_equal(got["seq"], mine["seq"])


def test_records_of_an_ended_grant_reach_nobody(serve: Any) -> None:
    running = serve()
    ended = running.connect()
    ended.close()
    channel = running.connect()
    running.interception.ring.feed(records_of(ended.grant.generation, 10))
    running.interception.ring.feed(records_of(channel.grant.generation, 1))
    assert read_until(channel, 1)["generation"].tolist() == [channel.grant.generation]


def test_status_tells_what_the_heartbeat_brought(serve: Any) -> None:
    channel = serve().connect()
    status = channel.status()
    assert status.counters == (5, 4, 1, 9, 2)
    assert status.channel_dropped == 0
    assert status.cpu_s > 0


def test_wrong_token_is_refused_with_a_hint(serve: Any) -> None:
    with pytest.raises(GrantRefused, match="wrong token: give the one that gryphon-intercept printed"):
        serve().connect(token="another")


def test_nobody_there_says_what_to_start(unused_port: int) -> None:
    with pytest.raises(EnvironmentFault, match=r"no intercept listens at 127\.0\.0\.1:.*start gryphon-intercept"):
        Channel.connect("127.0.0.1", unused_port, "t", services=[], ranges=[])


def test_overlapping_range_of_a_living_sender_is_refused(serve: Any) -> None:
    running = serve()
    running.connect()
    with pytest.raises(GrantRefused, match=r"10\.17\.0\.0/16 overlaps 10\.17\.15\.0/24, which the sender 127"):
        running.connect(ranges=[ip_network("10.17.0.0/16")])


def test_a_stopped_intercept_ends_the_grant_with_its_reason(serve: Any) -> None:
    running = serve()
    channel = running.connect()
    running.server.stop()
    with pytest.raises(GrantLost, match="ended the grant: the intercept was stopped"):
        read_until(channel, 1)


def test_own_address_of_the_intercept_is_refused(serve: Any) -> None:
    with pytest.raises(GrantRefused, match=r"10\.16\.15\.0/24 contains 10\.16\.15\.118, an address of the intercept"):
        serve().connect(ranges=[ip_network("10.16.15.0/24")], services=[(ip_address("10.1.1.1"), 80)])


@pytest.mark.parametrize(("needed", "given"), [(0, 0), (1, 8), (64, 64), (65, 72), (250, 256), (256, 256)])
def test_a_run_gets_the_sample_that_it_needs_rounded_up_and_no_more(serve: Any, needed: int, given: int) -> None:
    running = serve(interception=FakeInterception(sample=256))
    channel = running.connect(sample=needed)
    assert channel.grant.sample == given
    fed = records_of(channel.grant.generation, 5000, sample=256)
    running.interception.ring.feed(fed)
    got = read_until(channel, len(fed))
    assert got.dtype == sampled(given)
    np.testing.assert_array_equal(got["seq"], fed["seq"])
    assert set(got["sample_length"].tolist()) == {given}
    if given:
        np.testing.assert_array_equal(got["sample"], fed["sample"][:, :given])


def test_a_run_that_needs_no_sample_and_says_nothing_of_it_gets_plain_records(serve: Any) -> None:
    running = serve(interception=FakeInterception(sample=1024))
    channel = running.connect()
    running.interception.ring.feed(records_of(channel.grant.generation, 3, sample=1024))
    assert read_until(channel, 3).dtype == RECORD
    assert channel.read().dtype == RECORD


def test_senders_with_different_needs_share_a_ring(serve: Any) -> None:
    running = serve(interception=FakeInterception(sample=64))
    first, second = running.connect(sample=40), running.connect(ranges=[ip_network("10.18.0.0/16")])
    fed = [records_of(channel.grant.generation, 100, sample=64) for channel in (first, second)]
    running.interception.ring.feed(np.concatenate(fed))
    assert (read_until(first, 100).dtype, read_until(second, 100).dtype) == (sampled(40), RECORD)


@pytest.mark.parametrize(
    ("has", "needed", "sentence"),
    [
        (0, 256, "needs the first 256 bytes of each answer and this intercept samples 0: start it with --sample 256"),
        (64, 65, "needs the first 65 bytes of each answer and this intercept samples 64: start it with --sample 72"),
        (1024, 1025, "needs the first 1025 bytes of each answer and an intercept samples at most 1024$"),
    ],
)
def test_a_need_beyond_the_intercepts_sample_is_refused_with_the_value_to_give(
    serve: Any, has: int, needed: int, sentence: str
) -> None:
    running = serve(interception=FakeInterception(sample=has))
    with pytest.raises(GrantRefused, match=f"refuses: this run {sentence}"):
        running.connect(sample=needed)
    assert running.interception.ranges() == []
