"""One and the same visits, recorded by tcpdump in every way there is, are the same sessions to the reader."""

from __future__ import annotations

import subprocess

import dpkt
import pytest
from capturing import (
    FIN_IN_VXLAN,
    FIN_V6,
    LONGER,
    TERSE,
    Session,
    Way,
    capture,
    installed,
    lacking,
    read,
    rejected,
    sessions,
    without_ports,
)

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import VISITS, browse, upload
from gryphon.lab.servers import Nginx
from gryphon.lab.wiring import SERVER_V4, HostName

ETHERNET = Way("ethernet")
WAYS = (
    ETHERNET,
    Way("sender", host="sender"),
    Way("cooked", ("-y", "LINUX_SLL"), "any"),
    Way("cooked2", ("-y", "LINUX_SLL2"), "any"),
    Way("nano", ("--time-stamp-precision=nano",)),
    Way("rotated", ("-C", "1", "-W", "20")),
    Way("short", ("-s", "96")),
)
LONGEST_FRAME = 1514
_TUNNEL: dict[HostName, str] = {"sender": "10.18.0.117", "server": "10.18.0.118"}


@pytest.fixture(scope="module")
def expected(lab: Lab, nginx: Nginx) -> list[Session]:
    """The sessions in the plain capture, beside which all others were made at the same time."""
    capture(lab, WAYS, lambda: browse(lab, LONGER), len(LONGER))
    found = sessions(read(ETHERNET.file(lab)))
    assert [session.stream.count(b"HTTP/1.") for session in found] == [len(visit.paths) for visit in LONGER]
    assert found[1].stream.endswith(upload())
    return found


def _longest(lab: Lab, way: Way) -> int:
    with way.file(lab).open("rb") as file:
        return max(len(frame) for _, frame in dpkt.pcap.Reader(file))


@pytest.mark.parametrize("name", ["sender", "cooked", "cooked2", "nano"])
def test_each_way_gives_the_same_sessions(lab: Lab, expected: list[Session], name: str) -> None:
    recording = read(lab.directory / f"{name}.pcap")
    assert sessions(recording) == expected
    assert rejected(recording) == {}
    assert bool((recording.sessions["start_ns"] % 1000).any()) == (name == "nano")


def test_captures_of_both_ends_together_have_each_session_once(lab: Lab, expected: list[Session]) -> None:
    """Every packet is there twice, and in the one file behind an Ethernet header, in the other behind another."""
    recording = read(lab.directory / "sender.pcap", lab.directory / "cooked2.pcap")
    assert sessions(recording) == expected
    assert rejected(recording) == {}


def test_rotated_files_are_one_recording_as_a_pattern(lab: Lab, expected: list[Session]) -> None:
    assert len(list(lab.directory.glob("rotated.pcap[0-9]*"))) > 5
    assert sessions(read(f"{lab.directory}/rotated.pcap[0-9]*")) == expected


def test_a_snap_length_that_cuts_only_answers_harms_nobody(lab: Lab, expected: list[Session]) -> None:
    recording = read(lab.directory / "short.pcap")
    assert sessions(recording) == [expected[LONGER.index(TERSE)]]
    assert rejected(recording) == {"truncated": len(LONGER) - 1}


def test_frames_above_the_mtu_are_what_they_would_have_been(lab: Lab, expected: list[Session]) -> None:
    """Hosts of the lab leave segmentation to their interfaces, which do not do it: frames of up to 64 KiB."""
    assert _longest(lab, ETHERNET) > LONGEST_FRAME
    hosts: tuple[HostName, ...] = ("sender", "server")
    single = Way("single")
    before = {host: lab.run(host, ["ip", "-d", "link", "show", "eth0"]).stdout.split() for host in hosts}
    try:
        for host in hosts:
            lab.run(host, ["ip", "link", "set", "eth0", "gso_max_segs", "1"])
        capture(lab, [single], lambda: browse(lab, LONGER), len(LONGER))
    finally:
        for host, words in before.items():
            lab.run(host, ["ip", "link", "set", "eth0", "gso_max_segs", words[words.index("gso_max_segs") + 1]])
    assert _longest(lab, single) == LONGEST_FRAME
    assert without_ports(sessions(read(single.file(lab)))) == without_ports(expected)


def test_on_loopback_too(lab: Lab, expected: list[Session]) -> None:
    ways = [Way("loopback", interface="lo"), Way("loopback-any", ("-y", "LINUX_SLL2"), "any")]
    capture(lab, ways, lambda: browse(lab, LONGER, host="server"), len(LONGER))
    found = sessions(read(ways[0].file(lab)))
    assert without_ports(found) == without_ports(expected)
    assert sessions(read(ways[1].file(lab))) == found


def test_ipv6_gives_the_same_in_every_way(lab: Lab, nginx: Nginx) -> None:
    ways = [way._replace(name=f"{way.name}-v6", fin=FIN_V6) for way in WAYS if way.name != "short"]
    capture(lab, ways, lambda: browse(lab, VISITS, version=6), len(VISITS))
    found = sessions(read(ways[0].file(lab)))
    assert [session.stream.count(b"HTTP/1.") for session in found] == [len(visit.paths) for visit in VISITS]
    for way in ways[1:]:
        assert sessions(read(f"{way.file(lab)}*")) == found, way.name


def test_a_vxlan_tunnel_is_seen_through(lab: Lab, nginx: Nginx) -> None:
    """The same connections inside and outside of a tunnel between two interfaces of the kernel's own."""
    inside = Way("inside", interface="vx0")
    outside = Way("outside", expression="udp port 4789", fin=FIN_IN_VXLAN)
    through = [visit._replace(options=(*visit.options, "--connect-to", f"::{_TUNNEL['server']}:")) for visit in LONGER]
    try:
        _tunnel(lab, "sender", "10.16.15.117", SERVER_V4)
        _tunnel(lab, "server", SERVER_V4, "10.16.15.117")
        capture(lab, [inside, outside], lambda: browse(lab, through), len(through))
    finally:
        for host in _TUNNEL:
            lab.run(host, ["ip", "link", "del", "vx0"], check=False)
    found = sessions(read(inside.file(lab)))
    assert [session.stream.count(b"HTTP/1.") for session in found] == [len(visit.paths) for visit in LONGER]
    assert sessions(read(outside.file(lab))) == found


def _tunnel(lab: Lab, host: HostName, own: str, peer: str) -> None:
    line = ["ip", "link", "add", "vx0", "type", "vxlan", "id", "7", "local", own, "remote", peer, "dstport", "4789"]
    try:
        lab.run(host, line)
    except EnvironmentFault as missing:
        lacking(f"the kernel has no VXLAN: {missing}")
    lab.run(host, ["ip", "address", "add", f"{_TUNNEL[host]}/24", "dev", "vx0"])
    lab.run(host, ["ip", "link", "set", "vx0", "up"])


@pytest.mark.parametrize("format", ["pcapng", "nsecpcap", "pcap"])
def test_editcap_s_formats_hold_the_same(lab: Lab, expected: list[Session], format: str) -> None:
    for way in ("ethernet", "cooked2"):
        target = lab.directory / f"{way}-as.{format}"
        line = [installed("editcap", "wireshark-common"), "-F", format, str(lab.directory / f"{way}.pcap"), str(target)]
        subprocess.run(line, check=True, capture_output=True)
        assert sessions(read(target)) == expected


def test_two_captures_that_mergecap_made_one_are_read_as_both(lab: Lab, expected: list[Session]) -> None:
    """Of two link types, so that a packet's own interface says how to read it."""
    other, merged = Way("other", ("-y", "LINUX_SLL2"), "any"), lab.directory / "merged.pcapng"
    capture(lab, [other], lambda: browse(lab, VISITS), len(VISITS))
    line = [installed("mergecap", "wireshark-common"), "-w", str(merged), str(other.file(lab)), str(ETHERNET.file(lab))]
    subprocess.run(line, check=True, capture_output=True)
    assert sessions(read(merged)) == expected + sessions(read(other.file(lab)))


_COMPRESSORS = {"gzip": "gzip", "xz": "xz-utils", "zstd": "zstd", "bzip2": "bzip2", "lz4": "lz4"}


@pytest.mark.parametrize("name", _COMPRESSORS)
def test_a_compressed_capture_is_read_as_it_was(lab: Lab, expected: list[Session], name: str) -> None:
    target = lab.directory / f"packed-by-{name}"
    with target.open("wb") as file:
        line = [installed(name, _COMPRESSORS[name]), "-c", "-1", str(ETHERNET.file(lab))]
        subprocess.run(line, check=True, stdout=file, stderr=subprocess.DEVNULL)
    assert sessions(read(target)) == expected
