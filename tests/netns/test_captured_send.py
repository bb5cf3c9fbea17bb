"""Real captures replayed by the real commands: inspect's line, extract's files, a pipe, silence, encryption."""

from __future__ import annotations

import itertools
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from capturing import Way, capture, installed, read, rejected, sessions
from sending import Run, established, intercepted, start

from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import VISITS, Recording, browse
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4
from gryphon.sender.capture.recording import Rules

_SILENT = """
import socket, sys, time
peers = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(int(sys.argv[3]))]
time.sleep(1)
for peer in peers:
    peer.close()
"""
SILENT = 5
TLS_PORT = 443


@contextmanager
def _served_as_recorded(nginx: Nginx, recording: Recording, users: int) -> Iterator[None]:
    """What nginx counts meanwhile is what so many users repeat."""
    before = nginx.mark()
    yield
    served = nginx.since(before)
    expected = list(recording.replayed(users))
    assert (served.connections, served.open) == (users, 0)
    assert Counter(request.answer for request in served.log) == Counter(request.answer for request in expected)
    assert sum(request.sent for request in served.log) == sum(request.sent for request in expected)
    assert all(request.client.startswith("10.17.") for request in served.log)


def _completed(run: Run, users: int) -> None:
    assert run.finish() == 0, run.text
    assert run.result["verdict"] == "passed"
    assert run.result["users"]["completed"] == users
    assert run.result["messages"]["mismatched"] == 0


def _local(path: Path | str, users: int, port: int = PORT) -> list[str]:
    """The options to replay a file in the local topology."""
    line = ["send", "-x", f"{port}-{SERVER_V4}:{port}", "-f", str(path), "-s", "xdp:eth0"]
    return [*line, "-u", str(users), "-c", "10.17.15.*"]


def test_the_line_that_inspect_suggests_runs(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    said = lab.run("sender", [script("gryphon"), "inspect", str(recording.path)]).stdout
    line = said.splitlines()[-1]
    for placeholder, value in (("SERVER", SERVER_V4), ("INTERCEPT", "xdp:eth0"), ("RANGE", "10.17.15.*")):
        assert placeholder in line
        line = line.replace(placeholder, value)
    command, *words = shlex.split(line)
    assert command == "gryphon"
    with intercepted(lab, "local"), _served_as_recorded(nginx, recording, len(VISITS)):
        _completed(start(lab, words), len(VISITS))


def test_extracts_are_served_as_the_original(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    """One with its addresses and one with others: different clients of different servers, replayed together."""
    plain, other = lab.directory / "extract.pcap", lab.directory / "extract-anonymised.pcap"
    line = [script("gryphon"), "extract", str(recording.path), "-x", str(PORT)]
    lab.run("sender", [*line, "-o", str(plain)])
    lab.run("sender", [*line, "-o", str(other), "--anonymise"])
    address = IPv4Address(SERVER_V4).packed
    assert (address in plain.read_bytes(), address in other.read_bytes()) == (True, False)
    users = 2 * len(VISITS)
    with intercepted(lab, "local"), _served_as_recorded(nginx, recording, users):
        run = start(lab, _local(f"{plain},{other}", users))
        _completed(run, users)
        assert run.result["sessions"]["recorded"] == users


@pytest.fixture(scope="module")
def partly_silent(lab: Lab, nginx: Nginx) -> Recording:
    """The visits, and beside them clients that connect, say nothing for a second and close."""
    way, before = Way("silent"), nginx.mark()

    def drive() -> None:
        silent = lab.popen("sender", [sys.executable, "-c", _SILENT, SERVER_V4, str(PORT), str(SILENT)])
        browse(lab, VISITS)
        assert silent.wait(timeout=10) == 0

    capture(lab, [way], drive, len(VISITS) + SILENT)
    log = nginx.since(before).log
    asked = [list(requests) for _, requests in itertools.groupby(log, lambda request: request.connection)]
    return Recording(way.file(lab), 4, asked)


def test_a_pipe_is_replayed_without_its_silent_connections(lab: Lab, nginx: Nginx, partly_silent: Recording) -> None:
    packed = lab.directory / "packed.pcap.gz"
    with packed.open("wb") as file:
        subprocess.run([installed("gzip", "gzip"), "-c", str(partly_silent.path)], check=True, stdout=file)
    with intercepted(lab, "local"), _served_as_recorded(nginx, partly_silent, 16):
        run = start(lab, _local("-", 16), fed=packed)
        _completed(run, 16)
    found = run.result["sessions"]
    assert (found["recorded"], found["replayable"]) == (len(VISITS) + SILENT, len(VISITS))
    assert found["rejected"]["no_client_data"] == SILENT


def test_silent_connections_are_held_with_the_others(lab: Lab, nginx: Nginx, partly_silent: Recording) -> None:
    every = sessions(read(partly_silent.path, rules=Rules(keep_silent=True)))
    asked = [session.stream.count(b" HTTP/1.1\r\n") for session in every]
    assert asked.count(0) == SILENT
    with intercepted(lab, "local"):
        before = nginx.mark()
        run = start(lab, [*_local(partly_silent.path, 50), "--hold", "3"])
        until("50 connections that the server holds", lambda: len(established(lab)) == 50, seconds=30)
        _completed(run, 50)
        assert run.result["users"]["peak_active"] == 50
        assert run.result["sessions"]["rejected"]["no_client_data"] == 0
        served = nginx.since(before)
        assert (served.connections, served.open) == (50, 0)
        assert served.requests == sum(asked[user % len(asked)] for user in range(50))


def _refused(run: Run) -> str:
    """The one sentence of a run that did not start."""
    assert run.finish() == 2, run.text
    assert not run.json.exists()
    lines = run.text.splitlines()
    assert len(lines) == 1, run.text
    return lines[0]


def test_strict_refuses_a_capture_with_silent_connections(lab: Lab, nginx: Nginx, partly_silent: Recording) -> None:
    before = nginx.mark()
    said = _refused(start(lab, [*_local(partly_silent.path, 16), "--strict"]))
    assert f"{SILENT} of {len(VISITS) + SILENT} sessions cannot be replayed: no_client_data {SILENT}" in said
    assert "--hold" in said
    assert nginx.since(before).connections == 0


@pytest.fixture(scope="module")
def encrypted(lab: Lab) -> Iterator[Path]:
    """curl's visits to openssl's own HTTPS server, which goes on serving."""
    openssl, key, certificate = installed("openssl", "openssl"), lab.directory / "key.pem", lab.directory / "cert.pem"
    line = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    lab.run("server", [*line, "-subj", "/CN=lab", "-days", "2", "-keyout", str(key), "-out", str(certificate)])
    output = lab.directory / "s_server.output"
    with output.open("wb") as file:
        serving = [openssl, "s_server", "-accept", f"{SERVER_V4}:{TLS_PORT}", "-key", str(key), "-cert"]
        server = lab.popen("server", [*serving, str(certificate), "-www"], stdout=file, stderr=file)
    until("openssl to listen", lambda: "ACCEPT" in output.read_text())
    way = Way("encrypted", expression=f"tcp port {TLS_PORT}")

    def drive() -> None:
        for _ in range(3):
            lab.run("sender", ["curl", "-sSk", "-o", "/dev/null", f"https://{SERVER_V4}:{TLS_PORT}/"])

    capture(lab, [way], drive, 3)
    yield way.file(lab)
    lab.end(server)


def test_encrypted_sessions_are_refused_with_the_reason(lab: Lab, encrypted: Path) -> None:
    assert rejected(read(encrypted, port=TLS_PORT)) == {"encrypted": 3}
    said = _refused(start(lab, _local(encrypted, 3, TLS_PORT)))
    assert f"none of the 3 sessions to port {TLS_PORT}" in said
    assert "--allow-encrypted" in said


def test_encrypted_sessions_replayed_all_the_same_fail_at_the_server(lab: Lab, encrypted: Path) -> None:
    """It makes other keys, and refuses what was encrypted with the recorded ones."""
    with intercepted(lab, "local"):
        run = start(lab, [*_local(encrypted, 3, TLS_PORT), "--allow-encrypted"])
        assert run.finish() == 1, run.text
        users = run.result["users"]
        assert (users["connected"], users["completed"]) == (3, 0)
        assert sum(users["failed"].values()) == 3
