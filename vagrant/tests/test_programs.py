"""Both hooks on virtio_net in every mode and with every offload that changes what a program sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vagrant.machine import Machine
from vagrant.replay import intercepting, send

USERS = 100


@contextmanager
def without(machine: Machine, *features: str) -> Iterator[None]:
    """Features of eth1 off, by ethtool's short names."""

    def turn(how: str) -> None:
        machine.run("sudo ethtool -K eth1 " + " ".join(f"{feature} {how}" for feature in features))

    if not features:
        yield
        return
    turn("off")
    try:
        yield
    finally:
        turn("on")


def test_generic_xdp(machines: dict[str, Machine], recording: str) -> None:
    """Native is what `--xdp eth1` takes by itself, here too: test_topologies.py has it."""
    with intercepting(machines["assistant"], "--xdp eth1 --xdp-mode generic") as intercept:
        assert "(generic)" in intercept.line
        assert " xdpgeneric " in machines["assistant"].run("ip -o link show eth1")
        run = send(machines, recording, "10.16.15.119", token=intercept.token, users=USERS)
    run.assert_whole(USERS)


LARGE_USERS, SEGMENTS = 10, 300_000 // 1448


@pytest.mark.parametrize("off", [(), ("tso", "gso")], ids=["offloaded", "segmented"])
def test_answers_of_many_segments_at_tc_egress(machines: dict[str, Machine], large: str, off: tuple[str, ...]) -> None:
    """The stack cuts a packet into segments behind the hook, whether the card could do it or not."""
    with without(machines["server"], *off), intercepting(machines["server"], "--tc eth1") as intercept:
        run = send(machines, large, "10.16.15.118", token=intercept.token, users=LARGE_USERS)
    run.assert_whole(LARGE_USERS, requests=1)
    assert run.result["bytes"]["received"] > LARGE_USERS * 300_000
    responses = run.result["packets"]["responses"]
    assert responses < LARGE_USERS * SEGMENTS, responses


@pytest.mark.parametrize("off", [(), ("gro",)], ids=["gro", "no-gro"])
def test_answers_of_many_segments_at_xdp(machines: dict[str, Machine], large: str, off: tuple[str, ...]) -> None:
    with without(machines["assistant"], *off), intercepting(machines["assistant"], "--xdp eth1") as intercept:
        run = send(machines, large, "10.16.15.119", token=intercept.token, users=LARGE_USERS)
    run.assert_whole(LARGE_USERS, requests=1)
    assert run.result["bytes"]["received"] > LARGE_USERS * 300_000


@contextmanager
def vlan(machine: Machine, last: int) -> Iterator[None]:
    """An interface of VLAN 5 on eth1."""
    machine.run("sudo ip link add link eth1 name eth1.5 type vlan id 5")
    try:
        machine.run(f"sudo ip address add 10.16.5.{last}/24 dev eth1.5")
        machine.run("sudo ip link set eth1.5 up")
        yield
    finally:
        machine.run("sudo ip link del eth1.5")


def test_answers_with_a_vlan_tag(machines: dict[str, Machine], recording: str) -> None:
    """Natively the program sees the tag in the frame, which the stack would have taken out of it."""
    server = machines["server"]
    with vlan(server, 118), vlan(machines["assistant"], 119):
        server.run("sudo ip route replace 10.17.15.0/24 via 10.16.5.119")
        try:
            with intercepting(machines["assistant"], "--xdp eth1") as intercept:
                run = send(machines, recording, "10.16.15.119", token=intercept.token, users=USERS)
        finally:
            server.run("sudo ip route replace 10.17.15.0/24 via 10.16.15.119")
    run.assert_whole(USERS)


def test_samples_of_answers_reach_the_sender(machines: dict[str, Machine], recording: str) -> None:
    with intercepting(machines["assistant"], "--xdp eth1 --sample 1024") as intercept:
        more = "--verify 16"
        run = send(machines, recording, "10.16.15.119", token=intercept.token, users=USERS, more=more)
    run.assert_whole(USERS)
