"""The channel between sender and intercept fails: cut, slow, lossy. What a run makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from faulty import USERS, cut_channel, end_of, remote

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx

Tell = Callable[[str], None]


def test_a_cut_of_a_second_costs_nobody_a_session(lab: Lab, nginx: Nginx, recording: Recording, tell: Tell) -> None:
    with remote(lab, nginx, recording, ["-t", "20"]) as (run, _):
        with cut_channel(lab):
            began = time.monotonic()
            time.sleep(1)
        ended = end_of(run, began)
    tell(str(ended))
    assert (ended.status, ended.completed) == (0, USERS), ended.text


@pytest.mark.parametrize("seconds", [10, 60], ids=["ten seconds", "for good"])
def test_a_longer_cut_ends_the_run_after_five_seconds_with_a_result(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell, seconds: int
) -> None:
    with remote(lab, nginx, recording) as (run, _), cut_channel(lab):
        began = time.monotonic()
        ended = end_of(run, began, seconds)
        assert ended.seconds < seconds
    tell(str(ended))
    assert (ended.status, ended.result["verdict"]) == (3, "grant_lost"), ended.text
    assert "has not answered for 5 s" in ended.text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("loss", [0.02, 0.2])
def test_loss_on_the_channel_delays_records_and_loses_none(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell, loss: float
) -> None:
    with remote(lab, nginx, recording, ["-t", "10"]) as (run, _), cut_channel(lab, loss):
        ended = end_of(run, time.monotonic(), 240)
    delay = ended.result["channel"]["delay_p99_us"] / 1000
    tell(f"{ended}; delay p99 {delay:.0f} ms")
    if loss < 0.1:
        assert ended.status == 0, ended.text
    assert ended.result["packets"]["ring_lost"] == 0
    assert ended.status in (0, 1, 3)


@pytest.mark.timeout(300)
def test_a_channel_of_ten_kilobytes_a_second_is_late_and_said(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell
) -> None:
    with remote(lab, nginx, recording) as (run, _):
        slow = ["rate", "80kbit", "burst", "1540", "limit", "3000"]
        lab.run("assistant", ["tc", "qdisc", "add", "dev", "eth1", "root", "tbf", *slow])
        try:
            ended = end_of(run, time.monotonic(), 110)
        finally:
            lab.run("assistant", ["tc", "qdisc", "del", "dev", "eth1", "root"])
    delay = ended.result["channel"]["delay_p99_us"] / 1000
    tell(f"{ended}; delay p99 {delay:.0f} ms")
    assert ended.status in (1, 3), ended.text
    assert ended.failed or ended.status == 3
