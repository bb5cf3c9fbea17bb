"""The watch sees a packet for a forged address wherever one passes."""

from __future__ import annotations

import sys

import pytest

from gryphon.lab.hosts import Lab
from gryphon.lab.waiting import until
from gryphon.lab.watch import Watch
from gryphon.lab.wiring import LINKS, End

_SEND = "import socket, sys; socket.socket({family}, socket.SOCK_DGRAM).sendto(b'leak', (sys.argv[1], 9))"


@pytest.mark.parametrize(("family", "forged"), [("socket.AF_INET", "10.17.15.9"), ("socket.AF_INET6", "fd00:17::9")])
@pytest.mark.parametrize(("via", "way"), [("sender", LINKS[0]), ("assistant", LINKS[1])])
def test_a_leak_is_seen_on_both_ends_of_its_way_and_nowhere_else(
    lab: Lab, via: str, way: tuple[End, End], family: str, forged: str
) -> None:
    lab.route_forged("sender" if via == "sender" else "assistant")
    with Watch(lab) as watch:
        lab.run("server", [sys.executable, "-c", _SEND.format(family=family), forged])
        seen = until("the leak on both ends", lambda: len(watch.seen()) >= 2 and watch.seen())
        assert seen == dict.fromkeys(way, 1)


def test_other_packets_are_not_counted(lab: Lab) -> None:
    lab.route_forged("sender")
    with Watch(lab) as watch:
        for to in ("10.16.15.117", "10.17.15.9"):
            lab.run("server", [sys.executable, "-c", _SEND.format(family="socket.AF_INET"), to])
        assert until("the leak on both ends", lambda: len(watch.seen()) >= 2 and watch.seen()) == dict.fromkeys(
            LINKS[0], 1
        )
