"""No answer to a forged address leaves in the whole life of runs, however they end (docs/leases.md has the exceptions).

The suite tells the short story in one topology; `make leak` all chapters several times in all three.
"""

from __future__ import annotations

import os

import pytest
from leaking import Story, tell

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import record
from gryphon.lab.servers import Nginx
from gryphon.lab.topologies import TOPOLOGIES, Topology
from gryphon.lab.watch import Watch

ROUNDS = int(os.environ.get("LEAK_ROUNDS", "0"))
"""How often each chapter is told; 0: the short story."""


@pytest.mark.timeout(300 + 300 * ROUNDS)
@pytest.mark.parametrize("topology", TOPOLOGIES if ROUNDS else TOPOLOGIES[:1], ids=lambda one: str(one.name))
def test_not_one_answer_leaves_until_it_is_detached(topology: Topology, capsys: pytest.CaptureFixture[str]) -> None:
    with Lab() as lab, Nginx(lab) as nginx:  # of its own: the server of another story goes on talking to its dead
        recording = record(lab, nginx, lab.directory / "recorded.pcap")
        with Watch(lab, topology.beyond) as watch:
            story = Story(lab, nginx, recording, topology)
            tell(story, watch, ROUNDS)
    with capsys.disabled():
        print(f"\n{topology.name}: {', '.join(story.told)}")
    if ROUNDS:
        assert "overflow" in story.told, "the ring never overflowed"
