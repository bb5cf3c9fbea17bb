"""The way to the wire is the one asked for, or for auto the fastest that this host has, with the reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address

import numpy as np
import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.transmit import choose as module
from gryphon.sender.transmit.choose import Choice, FrameTransmitter, choose
from gryphon.sender.transmit.hops import Hop
from gryphon.sender.transmit.interface import Target, Targets

TARGETS = [Target(IPv4Address("10.16.15.118"), 80, 0), Target(IPv4Address("10.16.16.118"), 80, 1)]
HOPS = [
    Hop("eth0", 2, bytes(6), bytes(6), 1500, 2, ()),
    Hop("eth1", 3, bytes(6), bytes(6), 1400, 3, ()),
]


class Nothing:
    """A socket that could be opened."""

    def close(self) -> None:
        """Nor anything to close."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A host where every way is open."""
    monkeypatch.setattr(module, "open_raw", lambda version: Nothing())
    monkeypatch.setattr(module, "open_packet", Nothing)
    monkeypatch.setattr(module, "_hops", lambda targets, device: HOPS)
    monkeypatch.setattr(module, "_why_not_xdp", lambda hops: None)
    monkeypatch.setattr(module, "_mtu_of_xdp", lambda targets, hops: 1300)
    return monkeypatch


def no_hops(targets: Targets, device: str | None) -> Sequence[Hop]:
    raise EnvironmentFault("wg0 carries no Ethernet frames")


def forbidden(*version: int) -> None:
    raise EnvironmentFault("this process lacks CAP_NET_RAW")


@pytest.mark.parametrize("asked", ["raw", "link", "xdp"])
def test_what_was_asked_for_needs_no_reason(host: pytest.MonkeyPatch, asked: str) -> None:
    choice = choose(asked, TARGETS, None)  # type: ignore[arg-type]
    assert (choice.way, choice.why) == (asked, "")


def test_devices_and_mtu_are_those_of_all_hops(host: pytest.MonkeyPatch) -> None:
    choice = choose("link", TARGETS, "eth0")
    assert (choice.devices, choice.mtu, choice.device) == (["eth0", "eth1"], 1400, "eth0")
    assert (choose("raw", TARGETS, None).devices, choose("raw", TARGETS, None).mtu) == ([], None)
    assert choose("xdp", TARGETS, None).mtu == 1300


def test_auto_takes_xdp_where_it_can(host: pytest.MonkeyPatch) -> None:
    choice = choose("auto", TARGETS, None)
    assert (choice.way, choice.why) == ("xdp", "packets leave by xdp over eth0 and eth1")


def test_auto_takes_link_where_xdp_cannot(host: pytest.MonkeyPatch) -> None:
    host.setattr(module, "_why_not_xdp", lambda hops: "its driver has no way for such frames")
    choice = choose("auto", TARGETS, None)
    assert choice.way == "link"
    assert choice.why == "packets leave by link over eth0 and eth1, not by xdp: its driver has no way for such frames"


def test_auto_takes_raw_sockets_where_no_frame_can_leave(host: pytest.MonkeyPatch) -> None:
    host.setattr(module, "_hops", no_hops)
    choice = choose("auto", TARGETS, None)
    assert (choice.way, choice.hops) == ("raw", ())
    assert choice.why == "packets leave by raw sockets, frames cannot: wg0 carries no Ethernet frames"


def test_auto_with_a_device_never_leaves_by_another(host: pytest.MonkeyPatch) -> None:
    host.setattr(module, "_hops", no_hops)
    with pytest.raises(EnvironmentFault, match="wg0 carries no Ethernet"):
        choose("auto", TARGETS, "wg0")


def test_auto_takes_link_where_xdp_turns_out_to_be_closed(host: pytest.MonkeyPatch) -> None:
    def opened(choice: Choice, payload: object) -> FrameTransmitter:
        if choice.way == "xdp":
            raise EnvironmentFault("its driver has no way for such frames")
        raise InterruptedError(choice.way)

    host.setattr(Choice, "_frames", opened)
    with pytest.raises(InterruptedError, match="link"):
        choose("auto", TARGETS, None).open(np.zeros(1, np.uint8))
    with pytest.raises(EnvironmentFault, match="its driver has no way"):
        choose("xdp", TARGETS, None).open(np.zeros(1, np.uint8))


def test_jumbo_packets_are_cut_to_what_a_live_frame_holds() -> None:
    large = [hop._replace(mtu=9000, tags=((0x8100, 5),)) for hop in HOPS]
    assert module._mtu_of_xdp(TARGETS, large) == 3328 - 18
    assert module._mtu_of_xdp(TARGETS, HOPS) == 1400


@pytest.mark.parametrize("asked", ["link", "xdp"])
def test_a_way_that_was_asked_for_and_is_closed_is_a_fault(host: pytest.MonkeyPatch, asked: str) -> None:
    host.setattr(module, "_hops", no_hops)
    with pytest.raises(EnvironmentFault, match="wg0 carries no Ethernet"):
        choose(asked, TARGETS, None)  # type: ignore[arg-type]


def test_xdp_that_is_not_possible_is_a_fault(host: pytest.MonkeyPatch) -> None:
    host.setattr(module, "_why_not_xdp", lambda hops: "its driver has no way for such frames")
    with pytest.raises(EnvironmentFault, match="its driver has no way"):
        choose("xdp", TARGETS, None)


@pytest.mark.parametrize("asked", ["raw", "link", "auto"])
def test_without_the_capability_nothing_is_chosen(host: pytest.MonkeyPatch, asked: str) -> None:
    host.setattr(module, "open_raw", forbidden)
    host.setattr(module, "open_packet", forbidden)
    with pytest.raises(EnvironmentFault, match="CAP_NET_RAW"):
        choose(asked, TARGETS, None)  # type: ignore[arg-type]


def test_a_sender_with_raw_sockets_or_frames_imports_no_bpf() -> None:
    code = (
        "import sys, gryphon.sender.send, gryphon.sender.transmit.choose as choose\n"
        "names = {name for name in sys.modules if name.startswith(('bcc', 'gryphon.bpf', 'pyroute2'))}\n"
        "print(sorted(names - {'gryphon.bpf', 'gryphon.bpf.errors'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
