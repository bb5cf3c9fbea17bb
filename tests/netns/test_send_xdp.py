"""Whole runs of `gryphon send --transmit xdp`, to a server whose end of the wire takes frames from XDP."""

from __future__ import annotations

import sys

import pytest
from sending import intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.replay import replay
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.wiring import SERVER_V4

pytestmark = pytest.mark.usefixtures("bpf_privileges")


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: str(topology.name))
def test_a_thousand_users_get_what_was_recorded(
    lab: Lab, nginx: Nginx, recording: Recording, taking: None, topology: Topology
) -> None:
    rows = replay(lab, nginx, topology, recording, 1000, tell=lambda _: None, more=["--transmit", "xdp"])
    assert [row for row in rows if not row.agrees] == []


def test_auto_takes_it_and_says_so(lab: Lab, nginx: Nginx, recording: Recording, taking: None) -> None:
    with intercepted(lab, "target") as (topology, _):
        run = start(lab, [*options(recording, topology.intercept, 40), "--transmit", "auto"])
        assert run.finish() == 0, run.text
    assert run.text.startswith("packets leave by xdp over eth0\n")
    assert run.result["transmit"] == {"way": "xdp", "devices": ["eth0"]}
    assert "sent by xdp over eth0" in run.text


def test_a_wire_that_takes_no_frames_is_said_before_the_run(lab: Lab, recording: Recording) -> None:
    run = start(lab, [*options(recording, "10.16.15.118", 4), "--transmit", "xdp"])
    assert run.finish(30) == 3
    (said,) = run.text.splitlines()
    assert said.startswith("gryphon: eth0 takes no frames from XDP")


def test_its_kernels_are_among_those_compiled_beforehand(lab: Lab, taking: None) -> None:
    code = (
        "from ipaddress import ip_address; import numpy as np\n"
        "from gryphon.sender import warm\n"
        "from gryphon.sender.transmit.choose import choose\n"
        "from gryphon.sender.transmit.interface import Target\n"
        "from gryphon.sender.transmit.wire import build\n"
        "warm._open_transmitter()\n"
        "warm._build_frames()\n"
        f"choice = choose('xdp', [Target(ip_address('{SERVER_V4}'), 80, 0)], None)\n"
        "with choice.open(np.zeros(100, np.uint8)):\n"
        "    print(len(build.signatures))"
    )
    assert lab.run("sender", [sys.executable, "-c", code], timeout=120).stdout == "1\n"
