"""Facts are put together from the kernel's answers: each range and server asked for once, and nothing sent unasked."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any

import pyroute2
import pytest
from made_up import AWAY, ETH0, ETH1, HEALTHY, RANGE, SENDER, SERVICE

from gryphon.controller import abilities
from gryphon.sender.check import gather, listeners, network, proc
from gryphon.sender.check.facts import Asked, Facts, Listener, Path, Stranger
from gryphon.sender.transmit import xdp_device

STRANGER = Stranger(ip_address("10.17.15.9"), "eth1", "02:00:00:00:00:07")
BARE = (ETH0._replace(xdp=None, tc=None, offloads=None, xdp_features=None), ETH1)


class Kernel:
    """Answers, and remembers what was asked."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.asked: list[Any] = []
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def path_to(self, tables: Any, address: Any, names: Any) -> Path:
        assert names == {2: "eth0", 3: "eth1"}
        self.reached.append(str(address))
        return Path(address, device="eth0")

    def ask(self, netlink: Any, tables: Any, networks: Any, there: Any) -> None:
        self.asked += networks


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(pyroute2, "IPRoute", lambda: made)
    monkeypatch.setattr(network, "interfaces", lambda netlink: list(BARE))
    monkeypatch.setattr(network, "path_to", made.path_to)
    monkeypatch.setattr(network, "ask_for_strangers", made.ask)
    monkeypatch.setattr(network, "strangers", lambda netlink, networks, names: [STRANGER])
    monkeypatch.setattr(proc, "sysctls", lambda names: {"net.ipv4.ip_forward": 0})
    monkeypatch.setattr(proc, "rp_filters", lambda names: {f"net.ipv4.conf.{name}.rp_filter": 1 for name in names})
    return made


def test_a_look_at_the_start_of_a_run_asks_the_tables_and_nobody_on_the_link(kernel: Kernel) -> None:
    facts = gather.gather_quick(SENDER)
    assert kernel.reached == ["10.17.15.1", "10.16.15.118"]
    assert (kernel.asked, kernel.closed) == ([], 1)
    assert facts.interfaces == BARE
    assert facts.ranges == {RANGE: Path(ip_address("10.17.15.1"), device="eth0")}
    assert facts.servers == {SERVICE: Path(SERVICE[0], device="eth0")}
    assert facts.strangers == (STRANGER,)
    assert set(facts.sysctls) == {f"net.ipv4.{name}" for name in ("ip_forward", *RP_FILTERS)}


RP_FILTERS = ("conf.eth0.rp_filter", "conf.eth1.rp_filter")


def test_a_whole_check_has_the_kernel_ask_for_real_hosts_first(kernel: Kernel) -> None:
    gather.gather_quick(SENDER, asking=True)
    assert kernel.asked == [RANGE]


def test_tables_that_cannot_be_read_leave_no_socket_open(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: Any) -> Path:
        raise OSError(1, "no")

    monkeypatch.setattr(network, "path_to", unreadable)
    with pytest.raises(OSError, match="no"):
        gather.gather_quick(SENDER)
    assert kernel.closed == 1


@pytest.mark.parametrize(
    ("text", "first"),
    [("10.17.15.0/24", "10.17.15.1"), ("10.17.15.9/32", "10.17.15.9"), ("fd00:17::/64", "fd00:17::1")],
)
def test_a_range_is_reached_as_the_first_of_its_users_is(kernel: Kernel, text: str, first: str) -> None:
    gather.gather_quick(Asked(networks=(ip_network(text),)))
    assert kernel.reached == [first]


def test_what_was_tried_and_what_hangs_where_is_added_for_a_whole_check(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = SimpleNamespace(
        ring_buffer=True, live_frames=False, clsact=None, missing=("CAP_BPF",), bcc="no bcc", headers="no headers"
    )
    hooks = {"eth0": SimpleNamespace(xdp="gryphon_xdp", tc=False), "eth1": None}
    monkeypatch.setattr(abilities, "find_abilities", lambda: tried)
    monkeypatch.setattr(abilities, "hooks_of", lambda name, index: hooks[name])
    monkeypatch.setattr(xdp_device, "features", lambda index: index * 10)
    monkeypatch.setattr(network, "offloads", lambda names: {"eth1": {"rx-lro": True}})
    for name, value in (("release", "6.1"), ("may_send_raw", False), ("memory_lock", 7), ("vendor", "Somebody")):
        monkeypatch.setattr(proc, name, lambda value=value: value)
    facts = gather.gather(SENDER)
    assert kernel.asked == [RANGE]
    assert (facts.ring_buffer, facts.live_frames, facts.clsact) == (True, False, None)
    assert (facts.missing, facts.bcc, facts.headers) == (("CAP_BPF",), "no bcc", "no headers")
    assert (facts.release, facts.raw, facts.memory_lock, facts.vendor) == ("6.1", False, 7, "Somebody")
    zero, one = facts.interfaces
    assert (zero.xdp, zero.tc, zero.xdp_features, zero.offloads) == ("gryphon_xdp", False, 20, None)
    assert (one.xdp, one.tc, one.xdp_features, one.offloads) == (None, None, 30, {"rx-lro": True})
    assert facts.strangers == (STRANGER,)


def test_only_services_of_this_host_are_looked_for_among_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Listener(1, 4096, 0)
    looked: list[Any] = []

    def found(services: Any, sockets: Any) -> dict[Any, Any]:
        looked.extend(services)
        return dict.fromkeys(services, there)

    monkeypatch.setattr(listeners, "listening", list)
    monkeypatch.setattr(listeners, "listeners", found)
    away = (ip_address("10.16.15.1"), 80)
    both = replace(SENDER, services=(SERVICE, away))
    facts: Facts = replace(HEALTHY, servers={**HEALTHY.servers, away: Path(away[0], device="eth0")})
    assert gather._listeners(both, facts) == {SERVICE: there}
    assert looked == [SERVICE]
    assert gather._listeners(both, AWAY) == {}
    assert looked == [SERVICE]
