"""Real captures that nobody here made: the right sessions, the bytes that tshark sees, the packets that dpkt reads."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import dpkt
import numpy as np
import pytest
from conversations import entries_of, heads_of, stream_of

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.decode import Batch, decode, new_counts
from gryphon.sender.capture.files import frames
from gryphon.sender.capture.load import examine, load
from gryphon.sender.capture.recording import Recording, Rules
from gryphon.sender.capture.unpack import map_file

SHARED = Path(__file__).resolve().parents[4] / "shared"


@dataclass(frozen=True)
class Known:
    """What a capture holds, counted with tshark once (messages: by hand, or by the index of the captures)."""

    with_syn: int
    replayable: int
    messages: int
    client_bytes: int  # of the replayable ones
    server_bytes: int
    rejected: Mapping[str, int] = field(default_factory=dict)


KNOWN = {
    "echo500.pcap.gz": Known(500, 500, 26000, 26000, 26000),
    "http_get_nofin.pcap": Known(1, 1, 1, 136, 5007),
    "http_get_nosyn.pcap": Known(0, 0, 0, 0, 0, {"no_syn": 1}),
    "http_keepalive_1000req_v6.pcap.gz": Known(1, 1, 1000, 144000, 852995),
    "http_methods_49.pcap": Known(49, 49, 49, 1861, 182450),
    "http_mixed_78.pcap": Known(80, 80, 95, 39634, 11761),
    "http_null_41.pcap": Known(41, 41, 41, 4766, 52371),
    "http_sll2_gro.pcap": Known(1, 1, 1, 82, 2598875),
    "http_vlan.pcap": Known(1, 1, 1, 136, 5007),
    "http_vlan_synrexmit.pcap": Known(1, 1, 1, 135, 182525),
    "mqtt311_subunsub_v6.pcap": Known(1, 1, 4, 84, 17),
    # the client answers MySQL 5.0's salt with 20 bytes: no server takes them for another salt
    "mysql.pcap": Known(1, 0, 0, 0, 0, {"challenged": 1}),
    "nsec_pcap.pcap": Known(1, 1, 1, 605, 21),
    "redis_50ping.pcap": Known(1, 1, 54, 848, 370),
    "smtp.pcap": Known(3, 2, 18, 15674, 700, {"no_syn": 3, "encrypted": 1}),
    "tso_totlen0.pcapng": Known(11, 11, 107, 30634, 26827),
    "ws_basic.pcap": Known(1, 1, 4, 753, 1213),
}
HEAD = 60
LOST_SERVER_PACKETS = "http_keepalive_1000req_v6.pcap.gz"


@pytest.fixture
def capture(request: pytest.FixtureRequest) -> str:
    """The path of the capture that the test names."""
    source = SHARED / "captures" / request.param
    if not source.exists():
        if os.environ.get("CI") and SHARED.exists():
            pytest.fail(f"{source} is missing")
        pytest.skip(f"needs the public capture {request.param} in {source.parent}")
    return str(source)


@pytest.mark.parametrize(("capture", "known"), KNOWN.items(), indirect=["capture"])
def test_a_real_capture_gives_its_sessions(capture: str, known: Known) -> None:
    recording = examine([capture]).recording
    assert known == Known(
        recording.recorded - recording.rejected["no_syn"],
        len(recording.sessions),
        int(recording.sessions["messages"].sum()),
        int(recording.sessions["length"].sum()),
        int(recording.sessions["server_bytes"].sum()),
        {reason: count for reason, count in recording.rejected.items() if count},
    )
    assert recording.recorded == len(recording.sessions) + sum(recording.rejected.values())
    entries = recording.messages
    assert entries["expect"].sum() + entries["pushed"].sum() == known.server_bytes
    assert (entries["settle_ns"] >= 200_000_000).all()
    for name in ("gap_ns", "answer_ns"):
        assert (entries[name] >= 0).all()


@pytest.mark.parametrize("capture", ["mysql.pcap"], indirect=True)
def test_a_salted_login_is_whole_when_it_is_allowed(capture: str) -> None:
    sessions = load([capture], [3306], Rules(allow_encrypted=True)).sessions
    assert [sessions[name].tolist() for name in ("messages", "length", "server_bytes")] == [[18], [659], [1194]]


@pytest.mark.parametrize("capture", ["http_get_nosyn.pcap"], indirect=True)
def test_a_capture_without_any_syn_says_why_it_cannot_be_replayed(capture: str) -> None:
    with pytest.raises(InputFault, match="no_syn 1"):
        load([capture], [80])


@pytest.mark.parametrize("capture", KNOWN, indirect=True)
def test_dpkt_reads_the_same_packets(capture: str) -> None:
    data = map_file(capture)
    room = Batch(1 << 16)
    mine = []
    for batch in frames(capture, data):
        columns = (room.segments, room.endpoints, room.owners, room.fragments)
        found, _ = decode(data, batch, *columns, new_counts())
        ports = room.endpoints[["a_port", "b_port"]][:found]
        for segment, (source, destination) in zip(room.segments[:found], ports, strict=True):
            start = int(segment["tcp"]) + int(segment["header"])
            payload = data[start : start + int(segment["captured"])].tobytes()
            numbers = [int(segment[name]) for name in ("seq", "ack", "flags", "window")]
            mine.append((int(segment["time_ns"]) // 1000, int(source), int(destination), *numbers, payload))
    assert mine == list(_by_dpkt(capture))


def _by_dpkt(path: str) -> Iterator[tuple[int | bytes, ...]]:
    """Every TCP packet as dpkt decodes it; its times are good for microseconds."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        reader = dpkt.pcap.UniversalReader(file)
        link = reader.datalink()
        for time, frame in reader:
            packet = _ip_by_dpkt(link, frame)
            if packet is None or not isinstance(packet.data, dpkt.tcp.TCP):
                continue
            tcp = packet.data
            numbers = (tcp.sport, tcp.dport, tcp.seq, tcp.ack, tcp.flags & 0xFF, tcp.win)
            yield (round(Decimal(time) * 10**6), *numbers, bytes(tcp.data))


def _ip_by_dpkt(link: int, frame: bytes) -> dpkt.Packet | None:
    decoder = {1: dpkt.ethernet.Ethernet, 0: dpkt.loopback.Loopback, 276: dpkt.sll2.SLL2}[link]
    inside = decoder(frame).data
    return inside if isinstance(inside, dpkt.ip.IP | dpkt.ip6.IP6) else None


def tshark(capture: str, *options: str) -> str:
    """What tshark prints; skips without it, but not in CI, where the packages are complete."""
    if shutil.which("tshark") is None:
        if os.environ.get("CI"):
            pytest.fail("tshark is missing")
        pytest.skip("needs tshark (apt-get install tshark)")
    return subprocess.run(["tshark", "-n", "-r", capture, *options], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("capture", KNOWN, indirect=True)
def test_tshark_counts_the_same_connections(capture: str) -> None:
    fields = ("-T", "fields", "-e", "tcp.stream")
    streams = set(tshark(capture, "-Y", "tcp", *fields).split())
    opened = set(tshark(capture, "-Y", "tcp.flags.syn==1 && tcp.flags.ack==0", *fields).split())
    recording = examine([capture]).recording
    assert recording.recorded == len(streams)
    assert recording.recorded - recording.rejected["no_syn"] == len(opened)


@pytest.mark.parametrize("capture", KNOWN, indirect=True)
def test_tshark_reassembles_the_same_streams_and_heads(capture: str) -> None:
    """Each head is what the server's stream has behind all answers and pushes before it."""
    recording = examine([capture], rules=Rules(allow_encrypted=True, answer_bytes=HEAD)).recording
    sessions = _sessions_by_client(recording)
    wanted = [option for number in range(recording.recorded) for option in ("-z", f"follow,tcp,raw,{number}")]
    compared = 0
    for section in tshark(capture, "-q", *wanted).split("Follow: tcp,raw\n")[1:]:
        session = sessions.get(_node(section, 0) + _node(section, 1))
        if session is None:
            continue
        lines = [line for line in section.splitlines() if re.fullmatch(r"\t?[0-9a-f]+", line)]
        client = bytes.fromhex("".join(line for line in lines if not line.startswith("\t")))
        assert stream_of(recording, session) == client
        server = bytes.fromhex("".join(line.strip() for line in lines if line.startswith("\t")))
        if Path(capture).name != LOST_SERVER_PACKETS:
            assert int(recording.sessions["server_bytes"][session]) == len(server)
            assert heads_of(recording, session) == list(_heads(server, entries_of(recording, session)))
        compared += 1
    assert compared == len(recording.sessions)


def _heads(server: bytes, entries: list[dict[str, int]]) -> Iterator[bytes]:
    """The first HEAD bytes of each entry's answer."""
    heard = 0
    for entry in entries:
        yield server[heard : heard + min(HEAD, entry["expect"])]
        heard += entry["expect"] + entry["pushed"]


@pytest.mark.parametrize("capture", [LOST_SERVER_PACKETS], indirect=True)
def test_only_the_head_of_the_answer_that_a_capture_has_lost_is_not_whole(capture: str) -> None:
    recording = examine([capture], rules=Rules(answer_bytes=HEAD)).recording
    heads = heads_of(recording, 0)[1:]
    lost = [number for number, head in enumerate(heads) if head[:13] != b"HTTP/1.1 200 "]
    assert (len(heads), len(lost)) == (1000, 1)
    assert len(heads[lost[0]]) < min(HEAD, entries_of(recording, 0)[1 + lost[0]]["expect"])
    assert {len(head) for number, head in enumerate(heads) if number not in lost} == {HEAD}


def _node(section: str, number: int) -> tuple[str, int]:
    """Address and port out of "Node 0: 10.0.0.1:80" or "Node 0: [fe80::1]:80"."""
    found = re.search(rf"^Node {number}: (\S+):(\d+)$", section, re.MULTILINE)
    assert found is not None
    return str(ip_address(found[1].strip("[]"))), int(found[2])


def _sessions_by_client(recording: Recording) -> dict[tuple[str | int, ...], int]:
    """Each session's number by (client, port, server, port)."""
    by_ends: dict[tuple[str | int, ...], int] = {}
    for number, row in enumerate(recording.sessions):
        ends: list[str | int] = []
        for side in ("client", "server"):
            address = IPv6Address(int(row[f"{side}_hi"]) << 64 | int(row[f"{side}_lo"]))
            ends += [str(address.ipv4_mapped or address), int(row[f"{side}_port"])]
        assert tuple(ends) not in by_ends
        by_ends[tuple(ends)] = number
    return by_ends


@pytest.mark.parametrize("capture", ["http_mixed_78.pcap"], indirect=True)
def test_a_port_of_a_real_capture_is_chosen(capture: str) -> None:
    recording = load([capture], [80])
    assert (recording.recorded, len(recording.sessions)) == (43, 43)
    assert recording.ports == {21: 1, 80: 43, 2869: 34, 59914: 1, 59926: 1}
    assert np.all(recording.sessions["server_port"] == 80)
    with pytest.raises(
        InputFault, match=r"no session to port 8080 in .*; it has port 80 \(43 sessions\), port 2869 \(34"
    ):
        load([capture], [8080])
