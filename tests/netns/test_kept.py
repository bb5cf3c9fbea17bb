"""A kept lab outlives its maker with its server, is the only one of its kind, and goes when it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab import leftovers
from gryphon.lab.hosts import Lab
from gryphon.lab.processes import NAMESPACES, processes_in, start_time
from gryphon.lab.recording import url

_MAKER = """
import sys
from gryphon.lab import leftovers
leftovers.KEPT = sys.argv[1]
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import Nginx
with Lab(kept=True) as lab, Nginx(lab):
    lab.popen("sender", ["sleep", "600"])
"""


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The prefix of a kept lab whose maker has ended; not the one of the demo, which a user may have."""
    prefix = f"glkept{os.getpid()}-"
    monkeypatch.setattr(leftovers, "KEPT", prefix)
    subprocess.run([sys.executable, "-c", _MAKER, prefix], check=True, timeout=30)
    yield prefix
    leftovers.remove(prefix)


def test_its_server_goes_on_and_the_rest_has_ended(kept: str) -> None:
    line = ["nsenter", f"--net={NAMESPACES / kept}sender", "curl", "-sf", "-o", "/dev/null", url(4, "/")]
    assert subprocess.run(line, check=False, timeout=30).returncode == 0
    assert processes_in(f"{kept}sender") == []


def test_a_second_one_is_refused_with_what_to_do(kept: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"already there: remove it with `gryphon demo --remove`\.$"):
        Lab(kept=True).__enter__()
    assert processes_in(f"{kept}server"), "the first one is still there"


def test_a_sweep_leaves_it(kept: str) -> None:
    leftovers.sweep()
    assert processes_in(f"{kept}server")


def test_removed_it_leaves_no_trace(kept: str) -> None:
    server = processes_in(f"{kept}server")
    assert leftovers.remove(kept)
    assert not [name.name for name in NAMESPACES.iterdir() if name.name.startswith(kept)]
    assert not leftovers.directory(kept).exists()
    assert [start_time(pid) for pid in server] == [None] * len(server)
    assert not leftovers.remove(kept), "there is nothing left to remove"
