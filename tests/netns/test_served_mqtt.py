"""mosquitto: QoS 0, 1 and 2 in both directions, spaced publishes, subscribers; recorded of its own clients.

Most leave their id to the broker, which gives another to each: under one id the users would take each other over. Those
that name themselves are replayed with a rule that gives every user its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import NEWS, SUBSCRIBERS, USERS, record_news, replay, running

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import recorded
from gryphon.lab.servers.mosquitto import PORT, Mosquitto, Served, publish, subscribe

MOTD = "what is retained for whoever comes"
LARGE = "x" * 20_000
SPACED = '(echo one; sleep 2; echo two; sleep 2; echo three) | "$0" "$@"'
SESSIONS = 10
SPEED = 4

EACH_WAY = ("PUBLISH 0", "PUBLISH 1", "PUBLISH 2", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP")


@pytest.fixture(scope="module")
def mosquitto(lab: Lab) -> Iterator[Mosquitto]:
    with running(Mosquitto(lab)) as server:
        yield server


@pytest.fixture(scope="module")
def visited(lab: Lab, mosquitto: Mosquitto) -> tuple[Path, Served]:
    """Ten sessions, and what mosquitto logged of them."""
    path = lab.directory / "mqtt.pcap"
    lab.run("server", publish("-t", "motd", "-m", MOTD, "-r", "-q", "2", host="127.0.0.1"))
    before = mosquitto.mark()
    with recorded(lab, path, PORT, SESSIONS):
        for quality in ("0", "1", "2"):
            lab.run("sender", publish("-t", "news", "-m", "hello", "-q", quality))
            lab.run("sender", subscribe("-t", "motd", "-q", quality, "-C", "1"))
        lab.run("sender", ["/bin/sh", "-c", SPACED, *publish("-t", "news", "-l")])
        lab.run("sender", publish("-t", "news", "-l", "-q", "2"), text="one\ntwo\nthree\n")
        lab.run("sender", publish("-t", "news", "-s", "-q", "1"), text=LARGE)
        lab.run("sender", publish("-t", "news", "-m", "hello", "-q", "1", "-V", "5"))
    return path, mosquitto.since(before)


def test_each_packet_of_each_qos_is_received_and_sent_as_often_as_recorded_and_replayed(
    lab: Lab, mosquitto: Mosquitto, visited: tuple[Path, Served]
) -> None:
    path, once = visited
    assert (once.connections, once.named, once.open, once.complaints) == (SESSIONS, 0, 0, [])
    assert [once.packets[f"received {name}"] for name in EACH_WAY] == [4, 3, 4, 1, 1, 4, 1]
    assert [once.packets[f"sending {name}"] for name in EACH_WAY] == [1, 1, 1, 3, 4, 1, 4]
    times, before = USERS // SESSIONS, mosquitto.mark()
    replay(lab, path, PORT, "-i", "500", "-a", str(SPEED))
    served = mosquitto.since(before)
    assert (served.connections, served.named, served.open, served.complaints) == (USERS, 0, 0, [])
    assert served.packets == Counter({name: count * times for name, count in once.packets.items()})


@pytest.fixture(scope="module")
def named(lab: Lab, mosquitto: Mosquitto) -> Path:
    """Ten publishers and subscribers, each under an id of its own."""
    path = lab.directory / "named.pcap"
    lab.run("server", publish("-t", "motd", "-m", MOTD, "-r", "-q", "2", host="127.0.0.1"))
    before = mosquitto.mark()
    with recorded(lab, path, PORT, SESSIONS):
        for number in range(0, SESSIONS, 2):
            lab.run("sender", publish("-i", f"user{number:05}", "-t", "news", "-m", "hello", "-q", "1"))
            lab.run("sender", subscribe("-i", f"user{number + 1:05}", "-t", "motd", "-q", "1", "-C", "1"))
    assert mosquitto.since(before).named == SESSIONS
    return path


def test_every_user_has_an_id_of_its_own(lab: Lab, mosquitto: Mosquitto, named: Path) -> None:
    before = mosquitto.mark()
    replay(lab, named, PORT, "-i", "500", "--field", r"1883/1:user(\d+)=user")
    served = mosquitto.since(before)
    assert (served.connections, served.named, served.open, served.complaints) == (USERS, USERS, 0, [])
    assert served.packets["received PUBLISH 1"] == served.packets["sending PUBLISH 1"] == USERS // 2


@pytest.fixture(scope="module")
def news(lab: Lab, mosquitto: Mosquitto) -> Path:
    before = mosquitto.mark()
    return record_news(
        lab,
        PORT,
        subscribe("-t", "news"),
        lambda: mosquitto.subscribed(before) == SUBSCRIBERS,
        publish("-t", "news", "-l", "-q", "1"),
    )


def test_every_subscriber_is_sent_what_every_publisher_says(lab: Lab, mosquitto: Mosquitto, news: Path) -> None:
    publishers = USERS // (SUBSCRIBERS + 1)
    subscribers = USERS - publishers
    before = mosquitto.mark()
    result = replay(lab, news, PORT, "-i", "1000")
    served = mosquitto.since(before)
    assert (served.connections, served.open, served.complaints) == (USERS, 0, [])
    assert served.packets["received SUBSCRIBE"] == subscribers
    said = publishers * len(NEWS)
    assert (served.packets["received PUBLISH 1"], served.packets["sending PUBACK"]) == (said, said)
    assert served.packets["sending PUBLISH 0"] == subscribers * said
    # CONNACK 4, SUBACK 5, PUBACK 4; PUBLISH 4 and its topic and text.
    received = sum(4 + len("news") + len(text) for text in NEWS)
    assert result["bytes"]["received"] == (
        subscribers * (4 + 5 + publishers * received) + publishers * (4 + 4 * len(NEWS))
    )
