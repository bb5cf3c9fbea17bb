"""Whole runs of `gryphon send --transmit link`: real answers in every topology, past the host's own rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from sending import intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.replay import replay
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.waiting import until
from gryphon.lab.wiring import LINKS, SERVER_V4

SENDER, SERVER = LINKS[0]
LINK = ["--transmit", "link"]


def ip(lab: Lab, host: str, *words: str) -> None:
    lab.run(host, ["ip", *words])  # type: ignore[arg-type]


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: str(topology.name))
def test_a_thousand_users_get_what_was_recorded(
    lab: Lab, nginx: Nginx, recording: Recording, topology: Topology
) -> None:
    rows = replay(lab, nginx, topology, recording, 1000, tell=lambda _: None, more=LINK)
    assert [row for row in rows if not row.agrees] == []


def test_ipv6_users_get_what_was_recorded(lab: Lab, nginx: Nginx, recording_v6: Recording) -> None:
    rows = replay(lab, nginx, TOPOLOGIES[0], recording_v6, 40, tell=lambda _: None, more=LINK)
    assert [row for row in rows if not row.agrees] == []


def test_the_result_says_how_packets_left(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    with intercepted(lab, "target") as (topology, _):
        run = start(lab, [*options(recording, topology.intercept, 40), *LINK, "-o", "eth0"])
        assert run.finish() == 0, run.text
        assert run.result["transmit"] == {"way": "link", "devices": ["eth0"]}
        assert run.result["config"]["transmit"] == "link"
        assert "sent by link over eth0" in run.text


def test_packets_are_no_larger_than_the_device_takes(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    ip(lab, "sender", "link", "set", "dev", "eth0", "mtu", "1000")
    try:
        with intercepted(lab, "target") as (topology, _):
            run = start(lab, [*options(recording, topology.intercept, 40), *LINK])
            assert run.finish() == 0, run.text
    finally:
        ip(lab, "sender", "link", "set", "dev", "eth0", "mtu", "1500")
    assert "-M 1500 is more than link over eth0 takes: packets have at most 1000 bytes" in run.text
    assert run.result["config"]["mtu"] == 1000
    assert "refused" not in run.text


@pytest.fixture
def learned(lab: Lab) -> Iterator[None]:
    """The sender finds its neighbour itself, quickly, and finds the one it had again."""
    for name, value in (("delay_first_probe_time", 0), ("retrans_time_ms", 20), ("base_reachable_time_ms", 100)):
        lab.run("sender", ["sysctl", "-qw", f"net.ipv4.neigh.eth0.{name}={value}"])
    ip(lab, "sender", "neigh", "del", SERVER_V4, "dev", "eth0")
    yield
    ip(lab, "server", "link", "set", "dev", "eth0", "address", SERVER.mac)
    permanent = ["lladdr", SERVER.mac, "dev", "eth0", "nud", "permanent"]
    ip(lab, "sender", "neigh", "replace", SERVER_V4, *permanent)


def test_a_server_that_changes_its_hardware_address_in_the_middle_is_followed(
    lab: Lab, nginx: Nginx, recording: Recording, learned: None
) -> None:
    """It says nothing of it; the sender's kernel is made to ask again."""
    with intercepted(lab, "target") as (topology, _):
        before = nginx.mark().accepted
        run = start(lab, [*options(recording, topology.intercept, 1000), "-i", "100", *LINK])

        def running() -> bool:
            assert run.child.poll() is None, run.text
            return nginx.mark().accepted >= before + 20

        until("the twentieth user", running, seconds=30)
        ip(lab, "server", "link", "set", "dev", "eth0", "address", "02:00:10:16:15:55")
        assert run.finish(90) == 0, run.text
        assert run.result["users"]["completed"] == 1000


def test_a_neighbour_that_does_not_answer_is_said_before_the_run(lab: Lab, recording: Recording) -> None:
    lab.route_forged("sender")
    line = ["send", "-x", "80-10.16.15.77:80", "-f", str(recording.path), "-s", "xdp:eth0", "-u", "4"]
    run = start(lab, [*line, "-c", "10.17.15.*", *LINK])
    assert run.finish(30) == 3
    (said,) = run.text.splitlines()
    assert said.startswith("gryphon: 10.16.15.77 on eth0 does not say its hardware address")
    assert not run.json.exists()


def test_auto_says_which_way_and_why(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    with intercepted(lab, "target") as (topology, _):
        run = start(lab, [*options(recording, topology.intercept, 40), "--transmit", "auto"])
        assert run.finish() == 0, run.text
        way = run.result["transmit"]["way"]
        assert way in ("link", "xdp")
        assert run.text.startswith(f"packets leave by {way} over eth0")


def test_a_sender_of_frames_loads_no_bpf(lab: Lab) -> None:
    code = (
        "import sys; from ipaddress import ip_address; import numpy as np\n"
        "import gryphon.sender.send\n"
        "from gryphon.sender.transmit.choose import choose\n"
        "from gryphon.sender.transmit.interface import Target\n"
        f"choice = choose('link', [Target(ip_address('{SERVER_V4}'), 80, 0)], None)\n"
        "with choice.open(np.zeros(1, np.uint8)) as sending:\n"
        "    sending.look()\n"
        "names = {name for name in sys.modules if name.startswith(('bcc', 'gryphon.bpf'))}\n"
        "print(sorted(names - {'gryphon.bpf', 'gryphon.bpf.errors'}))"
    )
    assert lab.run("sender", [sys.executable, "-c", code]).stdout == "[]\n"
