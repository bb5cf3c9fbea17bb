"""Extracts of real captures: the same sessions, and packets that capinfos and tshark find nothing wrong with."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from extracts import extracted, tells_the_same
from test_capture_real import KNOWN, tshark

from gryphon.sender.capture.load import examine
from gryphon.sender.capture.recording import DEFAULT

CHECKED = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
REPLAYABLE = [name for name, known in KNOWN.items() if known.replayable]
UNORDERED = {"echo500.pcap.gz"}  # as it was recorded


def capinfos(capture: str) -> dict[str, str]:
    """What capinfos says of a capture; skips without it, but not in CI, where the packages are complete."""
    if shutil.which("capinfos") is None:
        if os.environ.get("CI"):
            pytest.fail("capinfos is missing")
        pytest.skip("needs capinfos (apt-get install wireshark-common)")
    printed = subprocess.run(["capinfos", "-M", capture], check=True, capture_output=True, text=True).stdout
    return {name: value.strip() for name, _, value in (line.partition(":") for line in printed.splitlines())}


def every_port(capture: str) -> set[int]:
    """The ports of all services of a capture."""
    return set(examine([capture]).recording.ports)


class Packet(NamedTuple):
    """What tshark says of a packet, an empty field where it has none."""

    time: str
    stream: str
    version: str
    """Of IP: the sixth has no checksum of its own."""
    ip: str
    tcp: str
    malformed: str


def dissected(capture: str) -> list[Packet]:
    """All packets of a capture: tshark is started once, which is most of what it takes."""
    checksums = ("ip.version", "ip.checksum.status", "tcp.checksum.status")
    fields = ("frame.time_epoch", "tcp.stream", *checksums, "_ws.malformed")
    words = [word for field in fields for word in ("-e", field)]
    printed = tshark(capture, *CHECKED, "-T", "fields", "-E", "occurrence=a", *words)
    return [Packet(*line.split("\t")) for line in printed.splitlines()]


@functools.cache
def malformed(capture: str) -> set[str]:
    """The times of the packets of an original that a dissector dislikes."""
    return set(tshark(capture, "-Y", "_ws.malformed", "-T", "fields", "-e", "frame.time_epoch").split())


@pytest.mark.parametrize("capture", REPLAYABLE, indirect=True)
def test_an_extract_of_a_real_capture_loads_to_the_same_sessions(capture: str, tmp_path: Path) -> None:
    tells_the_same([capture], every_port(capture), tmp_path, DEFAULT)


@pytest.mark.parametrize("anonymise", [False, True])
@pytest.mark.parametrize(("capture", "name"), [(name, name) for name in REPLAYABLE], indirect=["capture"])
def test_capinfos_and_tshark_find_nothing_wrong_with_it(
    capture: str, name: str, anonymise: bool, tmp_path: Path
) -> None:
    path = tmp_path / "small.pcap"
    done = extracted([capture], every_port(capture), path, anonymise=anonymise)
    found = capinfos(str(path))
    assert found["Number of packets"] == str(done.packets)
    assert found["File encapsulation"] == "ether"
    assert found["File timestamp precision"] == "nanoseconds (9)"
    assert found["Strict time order"] == str(name not in UNORDERED)
    assert int(found["File size"].split()[0]) == done.bytes == path.stat().st_size
    seen = dissected(str(path))
    assert {(one.version, one.ip, one.tcp) for one in seen} <= {("4", "1", "1"), ("6", "", "1")}  # "1": good
    assert (len(seen), len({one.stream for one in seen})) == (done.packets, len(done.choice.connections))
    # what a dissector of the payload dislikes, it dislikes in the original, too
    assert {one.time for one in seen if one.malformed} <= malformed(capture)


@pytest.mark.parametrize("capture", ["smtp.pcap"], indirect=True)
def test_the_reasons_for_what_is_left_out_are_counted(capture: str, tmp_path: Path) -> None:
    done = extracted([capture], every_port(capture), tmp_path / "small.pcap")
    assert done.choice.left_out == {"no_syn": 3, "encrypted": 1}
    done = extracted([capture], every_port(capture), tmp_path / "all.pcap", allow_encrypted=True, most=1)
    assert done.choice.left_out == {"no_syn": 3, "not chosen": 2}


@pytest.mark.parametrize("capture", ["http_mixed_78.pcap"], indirect=True)
def test_sessions_are_chosen_by_port_by_how_many_and_by_number(capture: str, tmp_path: Path) -> None:
    assert len(extracted([capture], {80}, tmp_path / "a").choice.connections) == 43
    assert len(extracted([capture], {80, 21}, tmp_path / "b").choice.connections) == 44
    first = extracted([capture], {80}, tmp_path / "c", most=2)
    assert first.choice.left_out == {"not chosen": 41}
    everything = examine([capture]).recording
    numbers = [n for n in range(everything.recorded) if everything.connections["server_port"][n] == 80][:2]
    extracted([capture], {80}, tmp_path / "d", numbers=frozenset(numbers))
    assert (tmp_path / "c").read_bytes() == (tmp_path / "d").read_bytes()


@pytest.mark.parametrize("capture", ["http_methods_49.pcap"], indirect=True)
def test_halves_of_a_capture_give_what_the_whole_gives(capture: str, tmp_path: Path) -> None:
    content, at = Path(capture).read_bytes(), 24
    for _ in range(300):
        at += 16 + int.from_bytes(content[at + 8 : at + 12], "little")
    halves = [tmp_path / "first", tmp_path / "second"]
    halves[0].write_bytes(content[:at])
    halves[1].write_bytes(content[:24] + content[at:])
    extracted([capture], {80}, tmp_path / "whole")
    extracted([str(halves[1]), str(halves[0])], {80}, tmp_path / "joined")
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "joined").read_bytes()
