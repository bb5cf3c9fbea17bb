"""Raw sockets, packet sockets and XDP on virtio_net; and `auto`, which takes the fastest of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vagrant.machine import Machine
from vagrant.replay import Intercept, intercepting, send

USERS = 100


@pytest.fixture(scope="module")
def intercept(machines: dict[str, Machine]) -> Iterator[Intercept]:
    with intercepting(machines["assistant"], "--xdp eth1") as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "sent_by"), [("raw", "raw sockets"), ("link", "link"), ("xdp", "xdp"), ("auto", "xdp")]
)
def test_transmit(machines: dict[str, Machine], recording: str, intercept: Intercept, asked: str, sent_by: str) -> None:
    more = f"--transmit {asked}"
    run = send(machines, recording, "10.16.15.119", token=intercept.token, users=USERS, more=more)
    run.assert_whole(USERS)
    assert f"sent by {sent_by}" in run.text


def test_two_processes_send_by_xdp(machines: dict[str, Machine], recording: str, intercept: Intercept) -> None:
    more = "--transmit xdp --threads 2"
    run = send(machines, recording, "10.16.15.119", token=intercept.token, users=USERS, more=more)
    run.assert_whole(USERS)
    assert "sent by xdp" in run.text
