"""The short way of plain segments: the same verdict and record as the long way gives, with any services and ranges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packets import STAMPED, answer, ipv4, ipv6, patched, with_tags
from verdicts import FORGED, PORT, PROGRAMS, SERVER, Program, fields_of

from gryphon.controller.few import FEW

HOUR = 3600 * 10**9
HOSTS = ("10.16.15.118", "10.16.15.119", "fd00:16:15::118", "::a10:f76")  # The last: the first's bytes, not mapped.
NETWORKS = [
    ip_network(text)
    for text in (
        "10.17.15.9/32", "10.17.15.8/31", "10.17.15.0/24", "10.17.0.0/16", "10.17.14.0/24", "10.0.0.0/8", "0.0.0.0/0",
        "fd00:17::9/128", "fd00:17::/64", "fd00:17::/32", "fd00:18::/64", "::/0",
    )
]  # fmt: skip
USERS = ("10.17.15.9", "10.17.14.1", "10.17.15.10", "11.0.0.1", "fd00:17::9", "fd00:17:0:1::9", "::a11:f09")


@pytest.fixture(scope="module", params=[(hook, sample) for hook in PROGRAMS for sample in (0, 16)], ids=str)
def _loaded(request: pytest.FixtureRequest) -> Iterator[Program]:
    program = Program(request.param[0], sample=request.param[1])
    yield program
    program.close()


@pytest.fixture
def empty(_loaded: Program) -> Program:
    """A program without services and ranges."""
    _loaded.reset()
    return _loaded


class Lease(NamedTuple):
    """A range to add, whether it lives then or not."""

    network: int
    lives: bool


SERVICES = st.lists(st.tuples(st.sampled_from(HOSTS), st.integers(80, 82)), unique=True, max_size=12)
LEASES = st.lists(st.builds(Lease, st.integers(0, len(NETWORKS) - 1), st.booleans()), max_size=14)
SEGMENTS = st.fixed_dictionaries(
    {
        "sport": st.integers(79, 83),
        "dport": st.integers(0, 65535),
        "seq": st.integers(0, 2**32 - 1),
        "ack": st.integers(0, 2**32 - 1),
        "window": st.integers(0, 65535),
        "flags": st.integers(0, 255),
        "options": st.sampled_from(
            [[], STAMPED["options"], [("NOP", None)] * 4, [("Timestamp", (3, 4)), ("NOP", None), ("NOP", None)]]
        ),
    }
)


def segment(source: str, user: str, payload: bytes, fields: dict[str, object]) -> bytes | None:
    if ip_address(source).version != ip_address(user).version:
        return None
    network = ipv4 if ip_address(source).version == 4 else ipv6
    return answer(network(src=source, dst=user), payload, **fields)


def same_both_ways(program: Program, frame: bytes) -> str:
    """The verdict on a frame, once all is as with a VLAN tag in it, with which it goes the long way."""
    verdict, records = program.judge(frame)
    tagged, others = program.judge(with_tags(frame, [0x8100]))
    assert (verdict, fields_of(records)) == (tagged, fields_of(others))
    if program.sample:
        assert records["sample"].tolist() == others["sample"].tolist()
    return verdict


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(services=SERVICES, leases=LEASES, removed=st.integers(0, 4), payload=st.binary(max_size=40), fields=SEGMENTS)
def test_a_plain_segment_is_treated_as_the_long_way_treats_it(
    empty: Program,
    services: list[tuple[str, int]],
    leases: list[Lease],
    removed: int,
    payload: bytes,
    fields: dict[str, object],
) -> None:
    empty.reset()
    indexes = [empty.services.add(ip_address(host), port) for host, port in services]
    for index in indexes[:removed]:  # With no range alive they go at once.
        empty.services.remove(index)
    for generation, lease in enumerate(leases, 1):
        empty.ranges.add(NETWORKS[lease.network], generation, time.monotonic_ns() + (HOUR if lease.lives else 0))
    for frame in (segment(host, user, payload, fields) for host in HOSTS for user in USERS):
        if frame is not None:
            same_both_ways(empty, frame)


WRONG = {
    "IP length below the headers": (16, b"\x00\x27"),
    "IP length beyond the frame": (16, b"\x01\x00"),
    "IP length 0": (16, b"\x00\x00"),
    "header length 4 words": (14, b"\x44"),
    "header length 6 words": (14, b"\x46"),
    "more fragments": (20, b"\x20\x00"),
    "fragment offset": (20, b"\x00\x01"),
    "reserved flag": (20, b"\x80\x00"),
    "UDP": (23, b"\x11"),
    "TCP header of 4 words": (46, b"\x40"),
    "TCP header of 15 words": (46, b"\xf0"),
    "another option of the same length": (54, b"\x01\x01\x05\x0a"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("payload", [b"", b"answer"], ids=["without payload", "with payload"])
def test_what_is_nearly_plain_is_treated_as_the_long_way_treats_it(empty: Program, name: str, payload: bytes) -> None:
    empty.register()
    before = empty.counters()
    same_both_ways(empty, patched(answer(ipv4(), payload, **STAMPED), *WRONG[name]))
    counts = [after - then for after, then in zip(empty.counters(), before, strict=True)]
    assert all(count in (0, 2) for count in counts)  # Each of the two moved the same counters.


@pytest.mark.parametrize("network", [ipv4(), ipv6()], ids=["IPv4", "IPv6"])
def test_a_frame_cut_anywhere_is_treated_as_the_long_way_treats_it(empty: Program, network: Any) -> None:
    empty.register()
    frame = answer(network, b"abc", **STAMPED)
    shortest = 15 if empty.hook == "xdp" else 14 + len(network)  # Less the test run does not take at tc.
    for size in range(shortest, len(frame)):
        same_both_ways(empty, frame[:size])


@pytest.mark.parametrize("linear", [64, 80, 200])
def test_a_super_packet_in_several_buffers_is_treated_as_the_long_way_treats_it(empty: Program, linear: int) -> None:
    empty.register()
    if empty.hook == "tc":  # More than a page the test run does not take there.
        assert same_both_ways(empty, answer(ipv4(), bytes(3000), **STAMPED)) == "drop"
        return
    frame = answer(ipv4(), bytes(range(250)) * 20, **STAMPED)
    verdict, records = empty.judge(frame, linear=linear)
    _, others = empty.judge(with_tags(frame, [0x8100]), linear=linear + 4)
    assert (verdict, fields_of(records)) == ("drop", fields_of(others))


PLAIN = {
    "IPv4": answer(ipv4(), b"abc"),
    "IPv4 with timestamp": answer(ipv4(), b"abc", **STAMPED),
    "IPv6": answer(ipv6(), b"abc"),
    "IPv6 with timestamp": answer(ipv6(), b"abc", **STAMPED),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_segment_needs_neither_hash_nor_trie(empty: Program, name: str) -> None:
    empty.register()
    for table in ("services", "ranges"):
        for key, _ in list(empty.maps[table].items()):
            empty.maps[table].delete(key)
    assert [empty.run(PLAIN[name]), empty.run(with_tags(PLAIN[name], [0x8100]))] == ["drop", "pass"]


def test_services_and_ranges_beyond_the_few_are_intercepted(empty: Program) -> None:
    ports = range(PORT, PORT + FEW + 3)
    networks = [ip_network(f"10.17.{number}.0/24") for number in range(FEW + 3)]
    indexes = [empty.services.add(ip_address(SERVER), port) for port in ports]
    for generation, network in enumerate(networks):
        empty.ranges.add(network, generation, time.monotonic_ns() + HOUR)
    frames = [answer(ipv4(dst=str(network[9])), sport=port) for port, network in zip(ports, networks, strict=True)]
    records = [empty.judge(frame)[1] for frame in frames]
    assert [one["service"].tolist() for one in records] == [[index] for index in indexes]
    assert [one["generation"].tolist() for one in records] == [[number] for number in range(FEW + 3)]
    assert empty.run(answer(ipv4(), sport=PORT - 1)) == "pass"


def test_a_range_in_whose_place_another_came_passes(empty: Program) -> None:
    empty.services.add(ip_address(SERVER), PORT)
    empty.ranges.add(ip_network("10.17.15.0/24"), 1, time.monotonic_ns())
    empty.ranges.add(ip_network("10.17.16.0/24"), 2, time.monotonic_ns() + HOUR)
    verdicts = [empty.run(answer(ipv4(dst=user))) for user in (FORGED, "10.17.16.1")]
    assert verdicts == ["pass", "drop"]
