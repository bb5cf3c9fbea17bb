"""Before the first user a SYN shows that answers reach the intercept that granted them; otherwise nobody starts."""

from __future__ import annotations

import sys
from collections import Counter

import dpkt
import pytest
from sending import intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.tap import Tap
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

RST, SYN = dpkt.tcp.TH_RST, dpkt.tcp.TH_SYN
MARK = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'last', ('10.16.15.118', 9))"


def heard(lab: Lab, tap: Tap) -> list[tuple[int, int]]:
    """Forged port and flags of every segment that has reached the server, up to a packet that is waited for."""
    lab.run("sender", [sys.executable, "-c", MARK])
    until("the last packet", lambda: any(packet.endswith(b"last") for _, packet in tap.packets()))
    found = []
    for _, packet in tap.packets():
        segment = dpkt.ethernet.Ethernet(packet).data.data
        if isinstance(segment, dpkt.tcp.TCP):
            found.append((segment.sport, segment.flags))
    return found


@pytest.mark.parametrize(("name", "threads"), [("local", 1), ("assistant", 2)])
def test_without_an_answer_nobody_starts_and_the_cause_is_said(
    lab: Lab, nginx: Nginx, recording: Recording, name: str, threads: int
) -> None:
    before = nginx.mark()
    path = lab.directory / f"silent-{name}.pcap"
    with (
        intercepted(lab, name) as (topology, _),
        Tap(lab, "server", "eth0", path, "src net 10.17.0.0/16 or udp port 9") as tap,
    ):
        lab.run("server", ["ip", "route", "del", "10.17.0.0/16"])
        try:
            run = start(lab, [*options(recording, topology.intercept, 100), "--threads", str(threads)])
            assert run.finish(30) == 3, run.text
            segments = heard(lab, tap)
        finally:
            lab.route_forged(topology.via)
    sentence, first = run.text.splitlines()[:2]
    assert sentence.startswith("gryphon: no consent, no traffic: xdp on eth0 (native) saw no answer of 10.16.15.118:80")
    assert "1. the server has no route for 10.17.15." in first
    assert f"via {topology.intercept if name == 'assistant' else '10.16.15.117'}" in first
    assert not run.json.exists()
    assert Counter(flags for _, flags in segments) == {SYN: 4 * threads, RST: threads}
    assert all(port > 61_000 for port, _ in segments)
    assert nginx.since(before, patience=0).connections == 0
    assert "prog/xdp" not in lab.run("sender", ["ip", "link", "show", "eth0"]).stdout


def test_every_server_and_range_is_asked_and_a_refusal_is_an_answer(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    """nginx counts the users' connections alone."""
    before = nginx.mark()
    line = ["send", "-x", f"80-{SERVER_V4}:80,8080-{SERVER_V4}:81", "-f", str(recording.path), "-a", "2"]
    with intercepted(lab, "target") as (topology, _):
        run = start(lab, [*line, "-s", topology.intercept, "-u", "20", "-c", "10.17.15.*,10.17.16.0/24"])
        assert run.finish() == 0, run.text
    canary = run.result["canary"]
    assert (canary["pairs"], canary["tried"], canary["intercepts"]) == (4, 4, ["tc on eth0 (tc egress)"])
    assert [(row["server"], row["range"], row["answer"], row["syns"]) for row in canary["answers"]] == [
        (f"{SERVER_V4}:80", "10.17.15.0/24", "syn-ack", 1),
        (f"{SERVER_V4}:80", "10.17.16.0/24", "syn-ack", 1),
        (f"{SERVER_V4}:81", "10.17.15.0/24", "reset", 1),
        (f"{SERVER_V4}:81", "10.17.16.0/24", "reset", 1),
    ]
    assert f"to {SERVER_V4}:81 was refused: nothing listens there" in run.text
    assert nginx.since(before).connections == run.result["users"]["connected"] == 20
    assert run.result["latency_ms"]["connect"]["service"]["count"] == 20
    log = (lab.directory / "error_gryphon.log").read_text()
    assert "canary: 4 SYNs answered (2 syn-ack, 2 reset)" in log


@pytest.mark.parametrize("threads", [1, 2])
def test_answers_that_come_in_elsewhere_on_the_sender_are_seen_and_said_at_once(
    lab: Lab, nginx: Nginx, recording: Recording, threads: int
) -> None:
    before = nginx.mark()
    lab.route_forged("sender")
    run = start(lab, [*options(recording, "xdp:eth1", 100), "--threads", str(threads)])
    assert run.finish(30) == 3, run.text
    sentence, seen = run.text.splitlines()[:2]
    assert sentence.startswith("gryphon: no consent, no traffic: xdp on eth1 (native) is not where answers come by")
    assert "come in by eth0 of this host, and not where they are dropped (xdp:eth1)  ->  -s xdp:eth0" in seen
    assert nginx.since(before, patience=0).connections == 0
