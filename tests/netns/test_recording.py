"""The recording holds whole sessions of real clients, as another reader of captures sees them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from gryphon.lab.recording import VISITS, Recording, upload
from gryphon.lab.servers import PAGES


@pytest.fixture(params=["recording", "recording_v6"])
def recorded(request: pytest.FixtureRequest) -> Recording:
    made: Recording = request.getfixturevalue(request.param)
    return made


def _tshark(recorded: Recording, *options: str) -> str:
    if shutil.which("tshark") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("tshark is not installed: apt-get install tshark")
    line = ["tshark", "-r", str(recorded.path), *options]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def _flags(recorded: Recording, field: str, direction: str) -> list[str]:
    """The streams, in order, in which the flag is set on a packet of this direction."""
    rows = _tshark(recorded, "-Y", f"{field} == 1 && {direction} == 80", "-T", "fields", "-e", "tcp.stream")
    return rows.split()


def test_every_session_is_there_from_syn_to_both_fins(recorded: Recording) -> None:
    streams = [str(number) for number in range(len(VISITS))]
    assert _flags(recorded, "tcp.flags.syn", "tcp.dstport") == streams
    assert _flags(recorded, "tcp.flags.syn", "tcp.srcport") == streams
    assert _flags(recorded, "tcp.flags.fin", "tcp.dstport") == streams
    assert _flags(recorded, "tcp.flags.fin", "tcp.srcport") == streams


def test_nothing_is_missing_inside(recorded: Recording) -> None:
    lost = "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.flags.reset == 1"
    assert _tshark(recorded, "-Y", lost) == ""


def test_the_upload_and_the_download_are_whole(recorded: Recording) -> None:
    posting = [visit.name for visit in VISITS].index("upload")
    sent = bytes.fromhex("".join(_client_lines(_tshark(recorded, "-q", "-z", f"follow,tcp,raw,{posting}"))))
    assert sent.partition(b"\r\n\r\n")[2] == upload()
    lengths = _tshark(recorded, "-Y", "http.response", "-T", "fields", "-e", "http.content_length").split()
    assert str(PAGES["big.bin"]) in lengths


def _client_lines(followed: str) -> list[str]:
    """The hexadecimal lines of the side that spoke first; tshark indents the other's."""
    return [line for line in followed.splitlines() if re.fullmatch(r"[0-9a-f]+", line)]


def test_what_nginx_logged_is_what_the_clients_asked_for(recorded: Recording) -> None:
    assert [[request.path for request in session] for session in recorded.sessions] == [
        list(visit.paths) for visit in VISITS
    ]
    statuses = [[request.status for request in session] for session in recorded.sessions]
    assert statuses == [[200] * 4, [201], [200], [200] * 3, [200, 404, 200], [200], [200], [200] * 2]
    asked = _tshark(recorded, "-Y", "http.request", "-T", "fields", "-e", "tcp.stream").split()
    assert [asked.count(str(number)) for number in range(len(VISITS))] == [len(visit.paths) for visit in VISITS]
