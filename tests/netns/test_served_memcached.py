"""memcached: sets that nobody answers, gets and counters, recorded of pymemcache and replayed by a thousand users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import USERS, replay, running

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import recorded
from gryphon.lab.servers.daemon import system_python
from gryphon.lab.servers.memcached import PORT, Mark, Memcached
from gryphon.lab.wiring import SERVER_V4

BASE = 1_000_000
"""What the counter begins with: an answer has as many digits for the last user as for the first."""

# Two sessions. A set with noreply is one-way; the increments are answered each.
_VISITS = """
import sys
from pymemcache.client.base import Client


def client():
    return Client((sys.argv[1], int(sys.argv[2])), no_delay=True)


reader = client()
reader.set("page", b"x" * 20000, noreply=False)
assert reader.get("page") == b"x" * 20000
assert reader.get("nothing") is None
assert reader.get_many(["page", "title"]).keys() == {"page"}
reader.quit()
writer = client()
for name in ("one", "two", "three"):
    writer.set(name, name.encode(), noreply=True)
assert writer.incr("visits", 1) == int(sys.argv[3]) + 1
assert writer.incr("visits", 2) == int(sys.argv[3]) + 3
writer.add("one", b"again", noreply=False)
writer.quit()
"""
_SEED = 'import sys\nfrom pymemcache.client.base import Client\nClient(sys.argv[1]).set("visits", sys.argv[2])\n'


@pytest.fixture(scope="module")
def memcached(lab: Lab) -> Iterator[Memcached]:
    with running(Memcached(lab)) as server:
        yield server


@pytest.fixture(scope="module")
def visits(lab: Lab, memcached: Memcached) -> tuple[Path, Mark]:
    """Two sessions, and what memcached counted of them."""
    path = lab.directory / "memcached.pcap"
    lab.run("server", [system_python(), "-c", _SEED, f"127.0.0.1:{PORT}", str(BASE)])
    before = memcached.mark()
    with recorded(lab, path, PORT, 2):
        lab.run("sender", [system_python(), "-c", _VISITS, SERVER_V4, str(PORT), str(BASE)])
    served = memcached.since(before)
    assert served.open == 0
    return path, served.counts


@pytest.mark.parametrize("topology", ["local", "target"])
def test_each_command_is_counted_as_often_as_recorded_and_replayed(
    lab: Lab, memcached: Memcached, visits: tuple[Path, Mark], topology: str
) -> None:
    path, once = visits
    assert once == Mark(connections=2, gets=4, hits=2, sets=5, increments=2, deletes=0)
    times = USERS // 2
    already, before = int(memcached.value("visits") or 0), memcached.mark()
    replay(lab, path, PORT, "-i", "1000", topology=topology)
    served = memcached.since(before)
    assert served.counts == Mark(*(count * times for count in once))
    assert served.open == 0
    assert memcached.value("visits") == str(already + 3 * times)
    assert memcached.value("three") == "three"
