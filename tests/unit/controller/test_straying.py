"""The kernel's filter and our own reading agree which packets are answers to forged addresses."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import Any

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gryphon.controller.source import IPNetwork, Service
from gryphon.controller.straying import MOST, Asked, attach, pairs_of, whose

SERVICE: Service = (ip_address("10.16.15.118"), 80)
RANGE: IPNetwork = ip_network("10.17.15.0/24")
SIX: Service = (ip_address("fd00:16::118"), 443)
RANGE_SIX: IPNetwork = ip_network("fd00:17:0:8::/61")
ASKED = Asked((SERVICE, SIX), (RANGE, RANGE_SIX))


def packet(
    source: Any = "10.16.15.118", target: Any = "10.17.15.7", port: int = 80, options: int = 0, **more: Any
) -> bytes:
    """An answer, from its IP header on."""
    src, dst = ip_address(source), ip_address(target)
    tcp = dpkt.tcp.TCP(sport=port, dport=40_000, seq=1, ack=1, flags=18)
    if src.version == 6:
        made = dpkt.ip6.IP6(src=src.packed, dst=dst.packed, nxt=more.get("p", 6), data=tcp, plen=20)
    else:
        made = dpkt.ip.IP(src=src.packed, dst=dst.packed, p=more.get("p", 6), data=tcp)
        made.opts, made.hl = bytes(options), 5 + options // 4
    whole = bytes(made)
    return whole[:6] + more["off"].to_bytes(2, "big") + whole[8:] if "off" in more else whole


def passes(pairs: list[tuple[Service, IPNetwork]], packets: list[bytes]) -> list[bytes]:
    """What the kernel lets through to a socket with the filter."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        attach(ours, pairs)
        ours.setblocking(False)
        for each in packets:
            theirs.send(each)
        through = []
        while True:
            try:
                through.append(ours.recv(1 << 16))
            except BlockingIOError:
                return through


@pytest.mark.parametrize(
    ("made", "pair"),
    [
        (packet(), (SERVICE, RANGE)),
        (packet(options=8), (SERVICE, RANGE)),
        (packet(target="10.17.15.255"), (SERVICE, RANGE)),
        (packet("fd00:16::118", "fd00:17:0:f::1", 443), (SIX, RANGE_SIX)),
        (packet(target="10.17.16.7"), None),
        (packet("10.16.15.117"), None),
        (packet(port=81), None),
        (packet(p=17), None),
        (packet(off=7), None),
        (packet("fd00:16::118", "fd00:17:0:10::1", 443), None),
        (packet("fd00:16::118", "fd00:17:0:8::1", 443, p=17), None),
        (b"", None),
        (b"\x45", None),
        (packet()[:21], None),
    ],
)
def test_answers_to_the_range_pass_and_nothing_else(made: bytes, pair: tuple[Service, IPNetwork] | None) -> None:
    through = passes(pairs_of([ASKED]), [made])
    assert through == ([made] if pair else [])
    if pair:
        assert whose(made, ASKED) == pair


def test_without_a_grant_nothing_passes() -> None:
    assert passes([], [packet(), b"", b"x"]) == []


def test_as_many_pairs_as_fit_are_looked_at() -> None:
    many = [(SERVICE, ip_network(f"10.18.{number}.0/24")) for number in range(200)]
    seen = passes(many, [packet(target=f"10.18.{number}.1") for number in range(200)])
    assert len(seen) == MOST


def test_each_service_goes_with_the_ranges_of_its_version() -> None:
    assert pairs_of([ASKED, Asked((SERVICE,), (RANGE,))]) == [(SERVICE, RANGE), (SIX, RANGE_SIX), (SERVICE, RANGE)]


NEAR = st.integers(0, 1 << 12).map(lambda number: ip_address("10.17.14.0") + number)


@settings(max_examples=100, deadline=None)
@given(targets=st.lists(NEAR, min_size=1, max_size=8), bits=st.integers(20, 32), port=st.sampled_from([80, 81]))
def test_kernel_and_python_agree(targets: list[Any], bits: int, port: int) -> None:
    asked = Asked((SERVICE,), (ip_network(f"10.17.15.0/{bits}", strict=False),))
    made = [packet(target=target, port=port) for target in targets]
    assert passes(pairs_of([asked]), made) == [each for each in made if whose(each, asked)]
