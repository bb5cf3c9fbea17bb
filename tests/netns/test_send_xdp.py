"""Whole runs of `gryphon send --transmit xdp`, to a server whose end of the wire takes frames from XDP."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2.netns import setns
from sending import intercepted, start

from gryphon.bpf import loader, syscall
from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.replay import replay
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.wiring import SERVER_V4

pytestmark = pytest.mark.usefixtures("bpf_privileges")


@pytest.fixture
def taking(lab: Lab) -> Iterator[None]:
    """An XDP program at the server's end, without which (or GRO) a veth takes no frame from XDP."""
    module = loader.compile(Path(loader.__file__).parent / "transmit.bpf.c", {"FRAME_BYTES": 1 << 13, "PLACES": 8})
    program = module.load(syscall.XDP, "passing", "test_passing")
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    setns(lab.namespace("server"))
    try:
        link = syscall.xdp_link(program, socket.if_nametoindex("eth0"), 4)
    finally:
        setns(home)
        os.close(home)
    yield
    os.close(link)
    os.close(program)
    module.close()


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
        f"choice = choose('xdp', [Target(ip_address('{SERVER_V4}'), 80, 0)], None)\n"
        "with choice.open(np.zeros(100, np.uint8)):\n"
        "    print(len(build.signatures))"
    )
    assert lab.run("sender", [sys.executable, "-c", code], timeout=120).stdout == "1\n"
