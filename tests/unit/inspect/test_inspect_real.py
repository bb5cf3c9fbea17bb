"""Real captures that nobody here made: known totals, what tshark counts, and JSON as its schema says."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from captures import public, tshark, unpacked

from gryphon.sender.capture.load import examine
from gryphon.sender.capture.recording import DEFAULT
from gryphon.sender.inspect.document import load_schema, to_json
from gryphon.sender.inspect.overview import Overview, overview
from gryphon.sender.inspect.text import text
from gryphon.sender.inspect.transcript import transcript

KNOWN = {
    "echo500.pcap.gz": (500, 500, 26000, {"unknown": 500}),
    "http_get_nofin.pcap": (1, 1, 1, {"HTTP/1.x": 1}),
    "http_get_nosyn.pcap": (1, 0, 0, {"HTTP?": 1}),
    "http_keepalive_1000req_v6.pcap.gz": (1, 1, 1000, {"HTTP/1.x": 1}),
    "http_methods_49.pcap": (49, 49, 49, {"HTTP/1.x": 49}),
    "http_mixed_78.pcap": (80, 80, 95, {"HTTP/1.x": 77, "FTP": 1, "unknown": 2}),
    "http_null_41.pcap": (41, 41, 41, {"HTTP/1.x": 41}),
    "http_sll2_gro.pcap": (1, 1, 1, {"HTTP/1.x": 1}),
    "http_vlan.pcap": (1, 1, 1, {"HTTP/1.x": 1}),
    "http_vlan_synrexmit.pcap": (1, 1, 1, {"HTTP/1.x": 1}),
    "mqtt311_subunsub_v6.pcap": (1, 1, 4, {"MQTT": 1}),
    "mysql.pcap": (1, 0, 0, {"MySQL": 1}),  # a salted login
    "nsec_pcap.pcap": (1, 1, 1, {"SSH": 1}),
    "redis_50ping.pcap": (1, 1, 54, {"Redis": 1}),
    "smtp.pcap": (6, 2, 18, {"SMTP": 2, "TLS": 1, "TLS?": 1, "unknown": 2}),
    "tso_totlen0.pcapng": (11, 11, 107, {"Kerberos": 7, "SMB": 4}),
    "ws_basic.pcap": (1, 1, 4, {"WebSocket": 1}),
}
"""Sessions, replayable, messages (as test_capture_real has them), and the sessions of each protocol."""


def looked_at(path: str) -> Overview:
    return overview(examine([path]).recording, None, DEFAULT)


@pytest.mark.parametrize(("name", "known"), KNOWN.items())
def test_a_real_capture_gives_its_totals(name: str, known: tuple[int, int, int, dict[str, int]]) -> None:
    found = looked_at(public(name))
    protocols: Counter[str] = Counter()
    for service in found.services:
        protocols[service.protocol] += service.sessions
    assert (found.recorded, found.replayable, sum(each.messages for each in found.services), protocols) == known
    assert sum(each.sessions for each in found.services) == found.recorded
    assert sum(each.replayable for each in found.services) == found.replayable


@pytest.mark.parametrize("name", KNOWN)
def test_the_json_of_a_real_capture_is_as_its_schema_says(name: str) -> None:
    document = json.loads(to_json(looked_at(public(name))))
    jsonschema.Draft202012Validator(load_schema()).validate(document)
    assert list(document) == list(load_schema()["properties"])
    for service in document["services"]:
        assert list(service) == list(load_schema()["$defs"]["service"]["properties"])


@pytest.mark.parametrize("key", ["files", "sessions", "services", "send"])
def test_the_schema_notices_a_missing_key(key: str) -> None:
    document: dict[str, Any] = json.loads(to_json(looked_at(public("smtp.pcap"))))
    del document[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(load_schema()).validate(document)


@pytest.mark.parametrize("name", KNOWN)
def test_the_overview_of_a_real_capture_fits_eighty_columns(name: str) -> None:
    *lines, send = text(looked_at(public(name)), chosen=False).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert send.startswith("gryphon send -x ") or send == "Nothing in it can be replayed."


CONVERSATION = re.compile(r"^(\S+):(\d+)\s+<->\s+(\S+):(\d+)\s.*?(\d+\.\d+)\s+(\d+\.\d+)$", re.MULTILINE)


def server_of(ends: tuple[tuple[str, int], tuple[str, int]], opened: set[tuple[str, str]]) -> tuple[str, int]:
    """The end that a SYN went to, or else the lower port."""
    for there, here in (ends, ends[::-1]):
        if (f"{there[0]} {there[1]}", f"{here[0]} {here[1]}") in opened:
            return here
    return min(ends, key=lambda end: end[1])


@pytest.mark.parametrize("name", KNOWN)
def test_tshark_counts_the_same_sessions_and_durations_for_each_service(name: str, tmp_path: Path) -> None:
    path = unpacked(name, tmp_path)
    fields = ("ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport")
    syns = tshark(path, "-Y", "tcp.flags.syn==1 && tcp.flags.ack==0", *columns(*fields)).splitlines()
    opened = {(f"{a or a6} {b}", f"{c or c6} {d}") for a, a6, b, c, c6, d in (line.split("\t") for line in syns)}
    begins, ends = defaultdict(list), defaultdict(list)
    for a, a_port, b, b_port, start, lasted in CONVERSATION.findall(tshark(path, "-q", "-z", "conv,tcp")):
        service = server_of(((a.strip("[]"), int(a_port)), (b.strip("[]"), int(b_port))), opened)
        begins[service].append(float(start))
        ends[service].append(float(start) + float(lasted))
    found = {(each.server, each.port): each for each in looked_at(path).services}
    assert {service: each.sessions for service, each in found.items()} == {
        service: len(starts) for service, starts in begins.items()
    }
    for service, each in found.items():
        lasted_s = max(ends[service]) - min(begins[service])
        assert (each.end_ns - each.start_ns) / 1e9 == pytest.approx(lasted_s, abs=0.001)


def columns(*fields: str) -> list[str]:
    """tshark's options for a line of these fields for each packet."""
    return ["-T", "fields", *(word for field in fields for word in ("-e", field))]


@pytest.mark.parametrize("name", ["smtp.pcap", "http_mixed_78.pcap", "mqtt311_subunsub_v6.pcap", "ws_basic.pcap"])
def test_a_transcript_has_the_relative_numbers_of_tshark(name: str, tmp_path: Path) -> None:
    path = unpacked(name, tmp_path)
    numbers = columns("tcp.stream", "tcp.seq", "tcp.ack", "tcp.len", "tcp.flags.ack")
    streams = defaultdict(list)
    for line in tshark(path, "-Y", "tcp && !icmp", *numbers).splitlines():
        stream, seq, ack, length, acks = line.split("\t")
        streams[stream].append([seq, *([ack] if acks in ("1", "True") else []), length])
    examined = examine([path])
    compared = 0
    for number in range(len(examined.recording.connections)):
        rows = [line.split() for line in transcript(examined, number, 100)]
        packets = [row[3 : 6 if "A" in row[2] else 5] for row in rows if row[1:2] in (["->"], ["<-"])]
        if packets[0][0] == "0":  # of the others tshark takes what it likes for the first number
            assert packets in streams.values()
            compared += 1
    assert compared == examined.recording.recorded - examined.recording.rejected["no_syn"]
