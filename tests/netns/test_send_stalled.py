"""One stalled answer: the load does not wait for it, and the latencies say who was kept waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import replay

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import recorded
from gryphon.lab.servers.daemon import script, system_python
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4
from gryphon.sender.results.histogram import decode, highest_value

PORT = 7000
MESSAGES, STALLED = 4, 2
"""Messages of a session, and the number of the one whose answer is stalled."""
EVERY, STALL = 50, 5.0
"""Which connections have such an answer, and for how many seconds."""
USERS, RATE = 200, 50
LONG = 4.0
"""Seconds that only what the stall kept waiting takes."""

# A line is answered by a line. Each connection's acceptance goes into a file, and each stall's begin.
_SERVER = """
import asyncio, sys, time

port, every, stalled, stall = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
accepted = 0

def note(what):
    with open(sys.argv[5], "a") as file:
        file.write(f"{what} {time.monotonic()}\\n")

async def served(reader, writer):
    global accepted
    accepted += 1
    number, asked = accepted, 0
    note("accepted")
    while await reader.readline():
        asked += 1
        if every and number % every == 0 and asked == stalled:
            note("stalled")
            await asyncio.sleep(stall)
        writer.write(b"answer %d\\n" % asked)
    writer.close()

async def main():
    async with await asyncio.start_server(served, "0.0.0.0", port, backlog=1024) as server:
        print("listening", flush=True)
        await server.serve_forever()

asyncio.run(main())
"""

_CLIENT = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as peer:
    answers = peer.makefile("rb")
    for number in range(int(sys.argv[3])):
        peer.sendall(b"question\\n")
        assert answers.readline() == b"answer %d\\n" % (number + 1)
        time.sleep(0.1)
"""


@contextmanager
def _serving(lab: Lab, name: str, every: int) -> Iterator[Path]:
    """The server, and the file with its times."""
    times, output = lab.directory / f"{name}.times", lab.directory / f"{name}.output"
    words = [str(PORT), str(every), str(STALLED), str(STALL), str(times)]
    with output.open("wb") as file:
        line = [*script(lab.directory / f"{name}.py", _SERVER), *words]
        process = lab.popen("server", line, stdout=file, stderr=file)
    until("the server to listen", lambda: "listening" in output.read_text())
    yield times
    lab.end(process)


@pytest.fixture(scope="module")
def questions(lab: Lab) -> Path:
    """A session of four questions, 100 ms after each answer, recorded without a stall."""
    path = lab.directory / "questions.pcap"
    with _serving(lab, "prompt", 0), recorded(lab, path, PORT, 1):
        lab.run("sender", [system_python(), "-c", _CLIENT, SERVER_V4, str(PORT), str(MESSAGES)])
    return path


@pytest.fixture(scope="module")
def stalled(lab: Lab, questions: Path) -> tuple[Any, list[float], list[float]]:
    """The result of a replay, when the server accepted each connection, and when each stall began."""
    with _serving(lab, "stalling", EVERY) as times:
        result = replay(lab, questions, PORT, "-i", str(RATE), users=USERS)
        rows = [line.split() for line in times.read_text().splitlines()]
    moments = {kind: [float(time) for what, time in rows if what == kind] for kind in ("accepted", "stalled")}
    return result, moments["accepted"], moments["stalled"]


def test_other_sessions_start_on_time(stalled: tuple[Any, list[float], list[float]]) -> None:
    result, accepted, stalls = stalled
    assert (len(accepted), len(stalls)) == (USERS, USERS // EVERY)
    late = [time - accepted[0] - number / RATE for number, time in enumerate(accepted)]
    assert max(abs(seconds) for seconds in late) < STALL / 5
    # Half the users and more come while answers are stalled: a load that waits for one would be late by seconds.
    assert sum(stalls[0] < time < stalls[0] + STALL for time in accepted) > USERS / 2
    assert result["pacing"]["late_max_us"] < STALL / 5 * 1e6
    assert result["latency_ms"]["connect"]["intended"]["max"] < STALL / 5 * 1e3


def test_both_latencies_show_the_stall_and_only_the_intended_one_what_waited_behind_it(
    stalled: tuple[Any, list[float], list[float]],
) -> None:
    result, _, stalls = stalled
    assert result["messages"]["answered"] == USERS * MESSAGES
    response = result["latency_ms"]["response"]
    for since in ("intended", "service"):
        assert STALL * 1e3 - 1 < response[since]["max"] < (STALL + 1) * 1e3
    behind = MESSAGES - STALLED
    assert _long(response["service"]) == len(stalls)
    assert _long(response["intended"]) == len(stalls) * (1 + behind)


def _long(latency: dict[str, Any]) -> int:
    """How many took longer than ``LONG``."""
    counts = decode(latency["hdr"])
    values = np.array([highest_value(bucket) for bucket in range(len(counts))])
    return int(counts[values > LONG * 1e6].sum())
