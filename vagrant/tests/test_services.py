"""What is no web server: a database and a message broker, whose own counts are held against gryphon's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from vagrant.machine import Machine
from vagrant.replay import Intercept, intercepting, send
from vagrant.tests.conftest import record

USERS = 100


@pytest.fixture(scope="module")
def intercept(machines: dict[str, Machine]) -> Iterator[Intercept]:
    with intercepting(machines["assistant"], "--xdp eth1") as made:
        yield made


def commands(server: Machine) -> int:
    """INCRs that redis has obeyed since it started."""
    found = re.search(r"cmdstat_incr:calls=(\d+)", server.run("redis-cli info commandstats"))
    return int(found[1]) if found else 0


def test_redis(machines: dict[str, Machine], intercept: Intercept) -> None:
    file = record(machines, "redis.pcap", 6379, "redis-cli -h 10.16.15.118 incr visits")
    before = commands(machines["server"])
    way = ("6379-10.16.15.118:6379", "10.17.15.*")
    run = send(machines, file, "10.16.15.119", token=intercept.token, users=USERS, way=way)
    assert (run.status, run.completed) == (0, USERS), run.text
    assert commands(machines["server"]) - before == USERS


def test_mosquitto(machines: dict[str, Machine], intercept: Intercept) -> None:
    """Each user publishes one message, which a real subscriber receives."""
    server = machines["server"]
    file = record(machines, "mqtt.pcap", 1883, "mosquitto_pub -h 10.16.15.118 -t news -m hello -q 1")
    way = ("1883-10.16.15.118:1883", "10.17.15.*")
    with server.running(f"stdbuf -oL timeout 200 mosquitto_sub -h 127.0.0.1 -t news -C {USERS} -d") as subscriber:
        subscriber.wait_for("SUBACK")
        run = send(machines, file, "10.16.15.119", token=intercept.token, users=USERS, way=way)
        assert (run.status, run.completed) == (0, USERS), run.text
        assert subscriber.wait() == 0, subscriber.text
    assert subscriber.lines.count("hello") == USERS
