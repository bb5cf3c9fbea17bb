"""The network under the users changes: an interface goes down and comes up, the MTU shrinks, packets are lost."""

from __future__ import annotations

import time
from collections.abc import Callable

from faulty import USERS, end_of, remote

from gryphon.lab.hosts import Lab
from gryphon.lab.impair import Impairment
from gryphon.lab.recording import Recording
from gryphon.lab.servers import PORT, Nginx

Tell = Callable[[str], None]


def test_an_interface_down_for_two_seconds_costs_time_alone(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell
) -> None:
    with remote(lab, nginx, recording, ["-t", "20"]) as (run, _):
        began = time.monotonic()
        lab.run("sender", ["ip", "link", "set", "eth0", "down"])
        time.sleep(2)
        lab.run("sender", ["ip", "link", "set", "eth0", "up"])
        ended = end_of(run, began, 100)
    tell(str(ended))
    assert ended.status == 0, ended.text
    assert ended.completed == USERS


def test_an_mtu_that_shrinks_fails_or_slows_nobody_silently(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell
) -> None:
    """Requests with an upload have packets of 1,500 bytes, which the sender's own interface takes no more."""
    with remote(lab, nginx, recording, ["-t", "10"]) as (run, _):
        began = time.monotonic()
        lab.run("sender", ["ip", "link", "set", "eth0", "mtu", "600"])
        time.sleep(4)
        lab.run("sender", ["ip", "link", "set", "eth0", "mtu", "1500"])
        ended = end_of(run, began, 100)
    refused = [line.strip() for line in ended.text.splitlines() if "refused" in line or "EMSGSIZE" in line]
    tell(f"{ended}; {refused}")
    assert ended.status in (0, 1), ended.text
    assert ended.completed > USERS // 2


def test_loss_on_the_users_way_is_recovered_by_tcp(lab: Lab, nginx: Nginx, recording: Recording, tell: Tell) -> None:
    with remote(lab, nginx, recording, ["-t", "30"]) as (run, _), Impairment(lab, "sender", PORT, loss=0.02):
        ended = end_of(run, time.monotonic(), 110)
    tell(str(ended))
    assert ended.status in (0, 1), ended.text
    assert ended.completed > USERS * 0.95
