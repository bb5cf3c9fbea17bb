"""Facts are what the kernel's files, tables and sockets say; what cannot be read is left out."""

from __future__ import annotations

import os
import resource
import socket
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path as FilePath
from types import SimpleNamespace
from typing import Any

import pytest
from made_up import ASSISTANT, AWAY, ETH0, HEALTHY, RANGE, SENDER, SERVER

from gryphon.sender.check import listeners, network, proc
from gryphon.sender.check.facts import Asked, Interface, Path
from gryphon.sender.check.roles import with_roles
from gryphon.sender.transmit.netlink import Neighbour, Route

FORGED = ip_address("10.17.15.1")


def test_settings_are_read_by_name_and_missing_ones_left_out(tmp_path: FilePath) -> None:
    for name, text in (("net/core/somaxconn", "4096\n"), ("net/ipv4/conf/eth0.7/rp_filter", "1\n"), ("fs/odd", "a b")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert proc.sysctls(["net.core.somaxconn", "fs.odd", "net.none"], tmp_path) == {"net.core.somaxconn": 4096}
    assert proc.rp_filters(["eth0.7", "eth1"], tmp_path) == {"net.ipv4.conf.eth0.7.rp_filter": 1}


@pytest.mark.parametrize(("held", "may"), [(0, False), (1 << 13, True), (1 << 12, False)])
def test_the_capability_to_send_is_that_of_the_process(tmp_path: FilePath, held: int, may: bool) -> None:
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{held:016x}\n")
    assert proc.may_send_raw(tmp_path / "status") is may


def test_a_machine_without_firmware_has_no_vendor(tmp_path: FilePath) -> None:
    assert proc.vendor(tmp_path / "none") is None


class Tables:
    """One route, one neighbour."""

    def __init__(self, route: Route | OSError, state: int = 0, hardware: bytes = b"") -> None:
        self._route, self._neighbour = route, Neighbour(state, hardware)

    def route(self, address: Any) -> Route:
        if isinstance(self._route, OSError):
            raise self._route
        return self._route

    def neighbour(self, index: int, address: Any) -> Neighbour:
        return self._neighbour


@pytest.mark.parametrize(
    ("tables", "path"),
    [
        (Tables(OSError(101, "")), Path(FORGED, error="Network is unreachable")),
        (Tables(Route(2, 1, None, 0)), Path(FORGED, local=True, device="lo")),
        (Tables(Route(1, 3, None, 0)), Path(FORGED, device="eth0")),
        (Tables(Route(1, 3, None, 0), 0x20), Path(FORGED, device="eth0", neighbour="silent")),
        (Tables(Route(1, 3, None, 0), 1), Path(FORGED, device="eth0", neighbour="silent")),
        (Tables(Route(1, 3, FORGED, 0), 2, bytes(6)), Path(FORGED, "", False, "eth0", FORGED, "known")),
    ],
    ids=["no route", "own", "on the link", "failed", "being asked", "gateway"],
)
def test_a_path_is_what_route_and_neighbour_say(tables: Any, path: Path) -> None:
    assert network.path_to(tables, FORGED, {3: "eth0"}) == path


def neighbour(address: str, state: int, index: int = 3, hardware: str = "02:00:00:00:00:07") -> Any:
    attributes = {"NDA_DST": address, "NDA_LLADDR": hardware}
    return type("Message", (dict,), {"get_attr": lambda self, name: attributes[name]})(state=state, ifindex=index)


def test_real_hosts_in_a_range_are_those_that_said_their_hardware_address() -> None:
    heard = [neighbour("10.17.15.9", 4), neighbour("10.17.15.8", 0x20), neighbour("10.16.15.1", 2)]
    found = network.strangers(SimpleNamespace(get_neighbours=lambda: heard), [RANGE], {3: "eth0"})
    assert [(str(one.address), one.device) for one in found] == [("10.17.15.9", "eth0")]


def test_of_a_range_on_the_link_each_address_is_asked_for_but_no_more_than_a_bound() -> None:
    one, other = ip_network("10.17.15.0/24"), ip_network("10.17.0.0/16")
    assert list(network._common(one, other, 256)) == list(range(int(one[0]), int(one[-1]) + 1))
    assert len(network._common(other, other, network.MOST_ASKED)) == network.MOST_ASKED


def test_a_listening_socket_is_found_with_its_queue_and_its_process() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(7)
        service = (ip_address("127.0.0.1"), server.getsockname()[1])
        with socket.create_connection(server.getsockname()):
            found = listeners.listeners([service], listeners.listening())[service]
    assert found is not None
    assert (found.sockets, found.backlog, found.waiting) == (1, 7, 1)
    assert found.processes is not None
    (process,) = [one for one in found.processes if one.number == os.getpid()]
    assert process.files == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_socket_at_any_address_serves_every_address_of_its_version_and_an_ipv6_one_both() -> None:
    four = listeners.Socket(ip_address("0.0.0.0"), 80, 1, 0, 1)
    six = four._replace(address=ip_address("::"))
    other = four._replace(address=ip_address("10.0.0.1"))
    service = (ip_address("10.0.0.2"), 80)
    assert listeners.listeners([service], [other])[service] is None
    assert listeners.listeners([service], [four._replace(port=81)])[service] is None
    for serving in (four, six):
        assert listeners.listeners([service], [serving])[service] is not None
    assert listeners.listeners([(ip_address("::1"), 80)], [four])[(ip_address("::1"), 80)] is None


def test_a_master_that_leaves_the_work_to_its_children_does_not_count(tmp_path: FilePath) -> None:
    for number, parent in ((10, 1), (11, 10), (12, 10)):
        entry = tmp_path / str(number)
        (entry / "fd").mkdir(parents=True)
        (entry / "fd" / "3").symlink_to("socket:[99]")
        (entry / "comm").write_text("nginx\n")
        (entry / "stat").write_text(f"{number} (a (b) c) S {parent} 1 1")
        (entry / "limits").write_text("Max open files            1024                 4096                 files\n")
    (tmp_path / "self").mkdir()
    service = (ip_address("10.0.0.2"), 80)
    sockets = [listeners.Socket(service[0], 80, 4096, 0, 99)]
    found = listeners.listeners([service], sockets, tmp_path)[service]
    assert found is not None
    assert [(one.number, one.files) for one in found.processes or ()] == [(11, 1024), (12, 1024)]


def test_roles_that_nobody_named_are_those_that_can_be_told() -> None:
    nobody = replace(SERVER, roles=(), intercepts=())
    watching = replace(AWAY, interfaces=(ETH0._replace(xdp="gryphon_xdp"),))
    assert with_roles(nobody, HEALTHY).roles == ("server",)
    assert with_roles(nobody, AWAY).roles == ("sender",)
    assert with_roles(nobody, watching).roles == ("assistant",)
    assert with_roles(replace(nobody, local=(("xdp", "eth0"),)), AWAY).roles == ("sender", "assistant")
    assert with_roles(Asked(), AWAY).roles == ()
    assert with_roles(SENDER, HEALTHY).roles == ("sender",)
    assert with_roles(ASSISTANT, HEALTHY).roles == ("assistant",)


def test_an_interface_is_named_or_is_any_that_is_up_with_an_address_and_frames() -> None:
    down, tunnel = Interface("eth2", 5, up=False), Interface("wg0", 6, ethernet=False)
    container = Interface("veth1", 7, addresses=(ip_interface("fe80::1/64"),))
    facts = replace(AWAY, interfaces=(ETH0, down, tunnel, container))
    assert facts.named(Asked()) == [ETH0]
    assert facts.named(Asked(interfaces=("eth2",))) == [down]
    assert replace(facts, interfaces=(container,)).named(Asked()) == [container]
