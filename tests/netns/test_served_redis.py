"""redis: commands one by one, a pipeline, and subscribers: recorded of redis-cli, replayed by a thousand users.

redis-cli begins with COMMAND DOCS, whose answer has 170 kB, unless it is told the command at its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from capturing import read
from served import NEWS, SUBSCRIBERS, USERS, record_news, replay, running

from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.recording import recorded
from gryphon.lab.servers.redis import PORT, Redis
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

BASE = 1_000_000
"""What the counters begin with: the answer to INCR has as many digits for the last user as for the first."""

BATCH = 100

PATTERNS = 1000
RECEIVED = sum(len(f"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n${len(said)}\r\n{said}\r\n") for said in NEWS)
CONFIRMED = len("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")


@pytest.fixture(scope="module")
def redis(lab: Lab) -> Iterator[Redis]:
    with running(Redis(lab)) as server:
        yield server


def _cli(lab: Lab, commands: str, *options: str) -> None:
    """One connection of redis-cli."""
    lab.run("sender", [tool("redis-cli"), "-h", SERVER_V4, *options], text=commands)


def _times(calls: Counter[str], times: int) -> Counter[str]:
    return Counter({name: count * times for name, count in calls.items() if count})


@pytest.fixture(scope="module")
def visited(lab: Lab, redis: Redis) -> tuple[Path, Counter[str]]:
    """Five sessions, and what redis counted of them."""
    path, before = lab.directory / "redis.pcap", redis.mark()
    redis.ask("SET", "visits", str(BASE))
    redis.ask("SET", "batch", str(BASE))
    increments = "".join("*2\r\n$4\r\nINCR\r\n$5\r\nbatch\r\n" for _ in range(BATCH))
    with recorded(lab, path, PORT, 5):
        _cli(lab, "SET name gryphon\nGET name\nGET nothing\nINCR visits\n")
        _cli(lab, "HSET user:1 name Ada born 1815\nHGETALL user:1\nEXPIRE user:1 3600\nINCR visits\n")
        _cli(lab, f"SET page {'x' * 20_000}\nGET page\nSTRLEN page\n")
        _cli(lab, increments, "--pipe")
        _cli(lab, "MULTI\nINCR visits\nGET name\nEXEC\nNONSENSE\n")
    served = redis.since(before)
    assert (served.connections, served.calls["incr"], served.open) == (5, BATCH + 3, 0)
    return path, served.calls


def test_each_command_runs_as_often_as_recorded_and_replayed(
    lab: Lab, redis: Redis, visited: tuple[Path, Counter[str]]
) -> None:
    path, calls = visited
    times = USERS // 5
    redis.ask("FLUSHALL")
    redis.ask("SET", "visits", str(BASE))
    redis.ask("SET", "batch", str(BASE))
    before = redis.mark()
    replay(lab, path, PORT, "-i", "500")
    served = redis.since(before)
    assert (served.connections, served.open) == (USERS, 0)
    assert served.calls == _times(calls, times)
    assert redis.ask("DBSIZE") == ":5"
    assert (redis.ask("GET", "visits"), redis.ask("GET", "batch")) == (
        str(BASE + 3 * times),
        str(BASE + BATCH * times),
    )
    assert redis.ask("GET", "page") == "x" * 20_000


@pytest.fixture(scope="module")
def watched(lab: Lab, redis: Redis) -> Iterator[None]:
    """A real client with so many patterns that the number of receivers, which PUBLISH gives back, is of 4 digits."""
    patterns = " ".join("news" + "*" * number for number in range(1, PATTERNS + 1))
    (lab.directory / "patterns").write_text(f"PSUBSCRIBE {patterns}\n")
    line = ["/bin/sh", "-c", 'exec "$0" < patterns > /dev/null', tool("redis-cli")]
    watching = lab.popen("server", line)
    until("the patterns", lambda: redis.ask("PUBSUB", "NUMPAT") == f":{PATTERNS}")
    yield
    lab.end(watching)


@pytest.fixture(scope="module")
def news(lab: Lab, redis: Redis, watched: None) -> Path:
    line = [tool("redis-cli"), "-h", SERVER_V4]
    publishes = [f"PUBLISH news {said}" for said in NEWS]
    return record_news(
        lab, PORT, [*line, "SUBSCRIBE", "news"], lambda: redis.subscribers() == SUBSCRIBERS, line, publishes
    )


def test_every_subscriber_receives_what_every_publisher_says(lab: Lab, redis: Redis, news: Path) -> None:
    publishers = USERS // (SUBSCRIBERS + 1)
    subscribers = USERS - publishers
    before = redis.mark()
    result = replay(lab, news, PORT, "-i", "1000")
    served = redis.since(before)
    assert (served.connections, served.calls["subscribe"]) == (USERS, subscribers)
    assert served.calls["publish"] == publishers * len(NEWS)
    answers = read(news, port=PORT).messages
    publisher = int((answers["expect"] + answers["pushed"])[2 * SUBSCRIBERS :].sum())
    assert result["bytes"]["received"] == subscribers * (CONFIRMED + publishers * RECEIVED) + publishers * publisher
