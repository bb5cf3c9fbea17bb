"""`--trace` shows the packets of sessions that failed, and writes a capture of them."""

from __future__ import annotations

from pathlib import Path

import dpkt
from checking import RANGE, ruled
from sending import intercepted, start

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx


def packets(path: Path) -> list[dpkt.ip.IP]:
    with path.open("rb") as file:
        return [dpkt.ip.IP(data) for _, data in dpkt.pcap.Reader(file)]


def test_refused_users_are_shown_with_their_packets(lab: Lab, recording: Recording) -> None:
    """Nobody listens on that port."""
    with intercepted(lab, "target") as (topology, _):
        line = ["send", "-x", "80-10.16.15.118:81", "-f", str(recording.path), "-s", topology.intercept]
        run = start(lab, [*line, "-c", "10.17.15.*", "-u", "20", "--trace", "3", "--trace-file", "refused.pcap"])
        assert run.finish() == 1, run.text
    assert run.text.count("-> 10.16.15.118: refused") == 3
    assert "trace       user 0, 10.17.15.1:32768 -> 10.16.15.118: refused" in run.text
    assert "these packets are in refused.pcap" in run.text
    assert run.text.rstrip().splitlines()[-1].startswith("FAILED")
    seen = packets(lab.directory / "refused.pcap")
    assert sum(packet.data.flags & 2 for packet in seen) == sum(packet.data.flags & 4 for packet in seen) // 2 == 6
    assert len(seen) == 6


def test_a_silent_server_s_users_are_shown_from_their_start(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    """It answers the canary, whose port no user has."""
    with intercepted(lab, "target") as (topology, _), ruled(lab, f"ip saddr {RANGE} tcp sport < 61001 drop"):
        run = start(lab, [*options(recording, topology.intercept, 5), "-t", "3", "--trace", "1"])
        assert run.finish(30) == 1
    assert ": timeout" in run.text
    assert len(packets(lab.directory / "trace.pcap")) >= 2  # the SYN and the SYN again


def test_chosen_users_are_shown_whatever_becomes_of_them(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    run = start(lab, [*options(recording, "xdp:eth0", 10), "--threads", "2", "--trace-users", "3,4"])
    assert run.finish() == 0, run.text
    assert "trace       user 3, " in run.text
    assert "trace       user 4, " in run.text
    assert "GET /" in run.text
    seen = packets(lab.directory / "trace.pcap")
    sent = b"".join(packet.data.data for packet in seen if packet.dst == bytes([10, 16, 15, 118]))
    assert sent.count(b"Host:") == sum(len(recording.sessions[user % len(recording.sessions)]) for user in (3, 4))
    inspected = lab.run("sender", [script("gryphon"), "inspect", "trace.pcap"])
    assert "2" in inspected.stdout


def test_where_nobody_fails_it_is_said_and_nothing_is_written(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    (lab.directory / "trace.pcap").unlink(missing_ok=True)
    run = start(lab, [*options(recording, "xdp:eth0", 10), "--trace", "5"])
    assert run.finish() == 0, run.text
    assert "no session that was watched has failed" in run.text
    assert not (lab.directory / "trace.pcap").exists()


def test_a_capture_that_cannot_be_written_is_found_out_before_the_run(lab: Lab, recording: Recording) -> None:
    run = start(lab, [*options(recording, "xdp:eth0", 10), "--trace", "1", "--trace-file", "/nowhere/t.pcap"])
    assert run.finish() == 2
    assert "the trace cannot be written to /nowhere/t.pcap: No such file" in run.text
