"""The interception is ready when the lab says so, and gone afterwards."""

from __future__ import annotations

import os

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.place import BPFFS, LOCKS
from gryphon.lab.commands import interception, send
from gryphon.lab.hosts import Lab
from gryphon.lab.processes import NAMESPACES
from gryphon.lab.topologies import TOPOLOGIES, Topology

_ENVIRONMENT = {**os.environ, "GRYPHON_TOKEN": "for this test"}
_REMOTE = [topology for topology in TOPOLOGIES if topology.interceptor]


def _attached(lab: Lab, topology: Topology) -> str:
    """What iproute2 says of programs at the interface's hooks."""
    assert topology.interceptor is not None
    link = lab.run(topology.interceptor, ["ip", "link", "show", "eth0"]).stdout
    filters = lab.run(topology.interceptor, ["tc", "filter", "show", "dev", "eth0", "egress"], check=False).stdout
    qdisc = lab.run(topology.interceptor, ["tc", "qdisc", "show", "dev", "eth0"]).stdout
    return " ".join(word for word in ("xdp", "bpf", "clsact") if word in link + filters + qdisc)


@pytest.mark.parametrize("topology", _REMOTE, ids=lambda topology: topology.name)
def test_it_is_attached_when_entered_and_gone_when_left(lab: Lab, topology: Topology) -> None:
    assert _attached(lab, topology) == ""
    said: list[str] = []
    with interception(lab, topology, _ENVIRONMENT, tell=said.append) as process:
        assert _attached(lab, topology) == ("bpf clsact" if topology.hook == "--tc" else "xdp")
    assert process is not None
    assert process.returncode == 0
    assert _attached(lab, topology) == ""
    assert said[0].startswith(f"{topology.interceptor}# gryphon-intercept {topology.hook} eth0")


@pytest.mark.parametrize("topology", _REMOTE, ids=lambda topology: topology.name)
def test_what_a_killed_one_leaves_goes_with_the_lab(topology: Topology) -> None:
    assert topology.interceptor is not None
    with Lab() as lab:
        inode = (NAMESPACES / lab.namespace(topology.interceptor)).stat().st_ino
        with interception(lab, topology, _ENVIRONMENT) as process:
            assert process is not None
            process.kill()
            process.wait()
        assert list((BPFFS / "gryphon").glob(f"{inode}-*")), "the interception outlives its process"
        assert _attached(lab, topology)
    assert not list((BPFFS / "gryphon").glob(f"{inode}-*"))
    assert not list(LOCKS.glob(f"{inode}-*"))


def test_one_that_does_not_start_is_said_in_its_own_words(lab: Lab) -> None:
    fault = pytest.raises(EnvironmentFault, match=r"^`gryphon-intercept` ended with status 2: .*no-such-option")
    with fault, interception(lab, _REMOTE[0], _ENVIRONMENT, more=["--no-such-option"]):
        pass


def test_a_replay_that_takes_too_long_is_ended(lab: Lab) -> None:
    with pytest.raises(EnvironmentFault, match=r"did not finish within 0 s"):
        send(lab, ["send", "--help"], _ENVIRONMENT, seconds=0.0)
