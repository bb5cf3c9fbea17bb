"""A path that loses, repeats and reorders packets both ways: users complete, and the server hears each byte once.

What is resent is bounded by what was lost. A user with one segment on its way sends it again only after a time-out
(RFC 6298, 5.4), and a time-out has a cause: that segment, or whatever would have acknowledged it, was dropped. The
detour of at most 12 ms is far below the shortest time-out, 200 ms. So there are never more retransmissions than dropped
packets. An upload has a flight of segments on its way: each loss may cost the flight once more (RFC 6298, 5.4 to 5.6
resend from the first unacknowledged byte), and three segments that overtake another look like a loss (RFC 5681, 3.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sending import Run, intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.impair import Counts, Impairment
from gryphon.lab.recording import UPLOAD_BYTES, Recording, Visit, record
from gryphon.lab.servers import PORT, Nginx

USERS = 1000
READERS = (
    Visit("keep-alive", ("/", "/style.css", "/news.html", "/photo.jpg")),
    Visit("update", ("/news.html", "/news.html?page=2")),
    Visit("glance", ("/",)),
    Visit("photo", ("/photo.jpg",)),
)
UPLOADS = (Visit("upload", ("/upload",), ("-H", "Expect:"), UPLOAD_BYTES),)
FLIGHT = UPLOAD_BYTES // 1400


@contextmanager
def impaired(
    lab: Lab, share: float, kinds: tuple[str, ...] = ("loss", "duplicate", "reorder")
) -> Iterator[list[Counts]]:
    """Both directions, each kind of trouble for this share of the packets; the counts are there afterwards."""
    counts: list[Counts] = []
    shares: dict[str, Any] = dict.fromkeys(kinds, share)
    with ExitStack() as stack:
        ways = [stack.enter_context(Impairment(lab, host, PORT, seed=7, **shares)) for host in ("sender", "server")]
        yield counts
    counts += [way.counts for way in ways]


def _replay(lab: Lab, recording: Recording, users: int, share: float) -> tuple[Run, int, list[Counts]]:
    with intercepted(lab, "local"), impaired(lab, share) as counts:
        run = start(lab, [*options(recording, "xdp:eth0", users), "-t", "300", "-a", "max", "--fail-if", "none"])
        status = run.finish(110)
    for way in counts:
        assert min(way.dropped, way.duplicated, way.detoured) > 0.5 * share * way.seen
    return run, status, counts


def _served_once(nginx: Nginx, before: Any, recording: Recording, users: int) -> None:
    """Every request of every user, once and whole; nginx would log a torn one otherwise."""
    served = nginx.since(before, patience=10)
    expected = Counter(request.answer for request in recording.replayed(users))
    assert Counter(request.answer for request in served.log) == expected
    assert served.connections == users


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_readers_complete_and_resend_no_more_than_was_lost(lab: Lab, nginx: Nginx, share: float) -> None:
    recording = record(lab, nginx, lab.directory / "readers.pcap", visits=READERS)
    before = nginx.mark()
    run, status, counts = _replay(lab, recording, USERS, share)
    assert status == 0, run.text
    users, packets = run.result["users"], run.result["packets"]
    assert users["completed"] + users["failed"]["timeout"] == USERS
    assert users["completed"] >= (USERS if share <= 0.05 else 0.999 * USERS)
    # an answer whose next segment is lost three times over looks as if the server had nothing more to say
    assert run.result["messages"]["mismatched"] <= 0.005 * run.result["messages"]["answered"]
    assert 0 < packets["retransmitted"] <= sum(way.dropped for way in counts)
    if users["completed"] == USERS:
        _served_once(nginx, before, recording, USERS)


def test_uploads_arrive_whole_and_in_order(lab: Lab, nginx: Nginx) -> None:
    users = 250
    recording = record(lab, nginx, lab.directory / "uploads.pcap", visits=UPLOADS)
    before = nginx.mark()
    run, status, counts = _replay(lab, recording, users, 0.05)
    assert status == 0, run.text
    assert run.result["users"]["completed"] == users
    assert run.result["messages"]["mismatched"] == 0
    _served_once(nginx, before, recording, users)
    original = next(request.checksum() for request in recording.sessions[0])
    log = nginx.since(before).log
    assert [request.checksum() for request in log] == [original] * users
    lost = sum(way.dropped + way.detoured for way in counts)
    assert run.result["packets"]["retransmitted"] <= FLIGHT * lost
