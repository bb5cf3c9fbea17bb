"""Real captures with something odd: data in the SYN, a beginning in the middle, an end in the middle of a packet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dpkt
import pytest
from capturing import Session, Way, capture, installed, read, rejected, sessions, without_ports

from gryphon.controller.errors import InputFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import UPLOAD_BYTES, Recording, Visit, browse, upload
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4, HostName

_EARLY = """
import http.client, os, sys, time
peer = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
for go in sys.argv[3:]:
    while not os.path.exists(go):
        time.sleep(0.01)
    peer.request("GET", "/news.html")
    peer.getresponse().read()
    os.rename(go, go + ".done")
peer.close()
"""
"""A client that asks each time that a file is there, and then moves it away."""

FAST_OPEN: dict[HostName, int] = {"sender": 1, "server": 2 | 0x400}
"""net.ipv4.tcp_fastopen: as a client; as a server for every socket that listens from now on."""


@pytest.fixture(scope="module")
def nginx(lab: Lab) -> Iterator[Nginx]:
    for host, value in FAST_OPEN.items():
        lab.run(host, ["sysctl", "-q", "-w", f"net.ipv4.tcp_fastopen={value}"])
    with Nginx(lab) as server:
        yield server


def _tshark(path: Path, *options: str) -> list[str]:
    line = [installed("tshark", "tshark"), "-r", str(path), *options]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()


def test_data_in_a_syn_belongs_to_the_stream_once(lab: Lab, nginx: Nginx) -> None:
    """The first connection brings the cookie with which the others send in their SYN."""
    posting = Visit("upload", ("/upload",), ("-H", "Expect:", "--tcp-fastopen"), UPLOAD_BYTES)
    way, visits = Way("fast-open"), [posting, posting, Visit("glance", ("/",), ("--tcp-fastopen",))]
    capture(lab, [way], lambda: browse(lab, visits), len(visits))
    in_syn = "tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.len > 0"
    assert _tshark(way.file(lab), "-Y", in_syn, "-T", "fields", "-e", "tcp.stream") == ["1", "2"]
    recording = read(way.file(lab))
    assert rejected(recording) == {}
    plain, fast, glance = without_ports(sessions(recording))
    assert plain.stream.endswith(upload())
    assert (fast.stream, fast.messages[-1]) == (plain.stream, plain.messages[-1])
    assert glance.stream.startswith(b"GET / HTTP/1.1")


def test_a_connection_from_before_the_capture_is_told_apart(lab: Lab, nginx: Nginx) -> None:
    first, second = (lab.directory / name for name in ("ask-first", "ask-second"))
    line = [sys.executable, "-c", _EARLY, SERVER_V4, str(PORT), str(first), str(second)]
    client = lab.popen("sender", line)
    first.touch()
    until("the first answer", lambda: not first.exists())

    def drive() -> None:
        second.touch()
        browse(lab, [Visit("glance", ("/",))])
        assert client.wait(timeout=10) == 0

    way = Way("middle")
    capture(lab, [way], drive, 2)
    recording = read(way.file(lab))
    assert rejected(recording) == {"no_syn": 1}
    assert [session.stream[:6] for session in sessions(recording)] == [b"GET / "]


def test_a_ring_of_files_that_went_round_is_read_in_its_order(lab: Lab, nginx: Nginx) -> None:
    """Of two connections of 2.5 MB four files of 1 MB hold all of the second, whose beginning is in the third file."""
    visits = [Visit("album", ("/photo.jpg",) * 60)] * 2
    ring, beside = Way("ring", ("-C", "1", "-W", "4")), Way("beside")
    capture(lab, [ring, beside], lambda: browse(lab, visits), len(visits))
    assert _begins(lab.directory / "ring.pcap3") < _begins(lab.directory / "ring.pcap0")
    recording = read(f"{ring.file(lab)}[0-3]")
    assert rejected(recording) == {"no_syn": 1}
    assert sessions(recording) == sessions(read(beside.file(lab)))[1:]


def _begins(path: Path) -> float:
    """The time of a file's first packet."""
    with path.open("rb") as file:
        return float(next(iter(dpkt.pcap.Reader(file)))[0])


def _ends(path: Path) -> list[int]:
    """Where each packet of a pcap file ends."""
    ends = [24]
    with path.open("rb") as file:
        for _, frame in dpkt.pcap.Reader(file):
            ends.append(ends[-1] + 16 + len(frame))
    return ends[1:]


def _cuts(ends: Sequence[int]) -> list[int]:
    """Offsets in a header, in a frame, at the end of a packet, and one before the end of the file."""
    places = [1, len(ends) // 4, len(ends) // 2, 3 * len(ends) // 4]
    return [*(ends[at] + past for at in places for past in (0, 1, 15, 16, 17, 61)), ends[-1] - 1]


def _is_part(part: Session, whole: Session) -> bool:
    """Whether it is the same up to its last message, whose answer and end may not be in the capture."""
    return whole.stream.startswith(part.stream) and part.messages[:-1] == whole.messages[: len(part.messages) - 1]


def test_a_file_that_ends_within_a_packet_is_read_up_to_it(lab: Lab, recording: Recording) -> None:
    """What remains of tcpdump's file when it, or the machine, was killed."""
    content, ends = recording.path.read_bytes(), _ends(recording.path)
    assert ends[-1] == len(content)
    whole = {session.client_port: session for session in sessions(read(recording.path))}
    found: list[Session] = []
    for cut in _cuts(ends):
        target = lab.directory / "cut.pcap"
        target.write_bytes(content[:cut])
        part = read(target)
        assert part.packets == sum(end <= cut for end in ends), cut
        found = sessions(part)
        for session in found[:-1]:
            assert session == whole[session.client_port], cut
        assert all(_is_part(session, whole[session.client_port]) for session in found[-1:]), cut
    assert found == list(whole.values())  # of the last packet, an ACK, nothing is needed


def test_a_file_that_ends_before_its_first_packet_has_its_sentence(lab: Lab, recording: Recording) -> None:
    target = lab.directory / "cut.pcap"
    for cut in (1, 23, 24, 25, 40, 41):
        target.write_bytes(recording.path.read_bytes()[:cut])
        with pytest.raises(InputFault) as fault:
            read(target)
        assert str(target) in str(fault.value)
        assert "\n" not in str(fault.value)
