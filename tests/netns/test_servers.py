"""nginx in the lab counts what real clients did, all of it and nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import url
from gryphon.lab.servers import PAGES, Nginx
from gryphon.lab.wiring import LINKS


@pytest.mark.parametrize("version", [4, 6])
def test_connections_requests_and_statuses_are_counted(lab: Lab, nginx: Nginx, version: int) -> None:
    before = nginx.mark()
    to = ["-o", "/dev/null"]
    lab.run(
        "sender",
        ["curl", "-s", *to, url(version, "/"), *to, url(version, "/style.css"), *to, url(version, "/no")],
    )
    lab.run("sender", ["curl", "-s", *to, url(version, "/photo.jpg")])
    served = nginx.since(before)
    assert (served.connections, served.requests) == (2, 4)
    assert [request.status for request in served.log] == [200, 200, 404, 200]
    assert [request.path for request in served.log] == ["/", "/style.css", "/no", "/photo.jpg"]
    assert PAGES["photo.jpg"] < served.log[3].sent < PAGES["photo.jpg"] + 500
    assert len({request.connection for request in served.log}) == 2


def test_an_upload_is_stored_whole(lab: Lab, nginx: Nginx) -> None:
    body = hashlib.shake_256(b"test").digest(100_000)
    (lab.directory / "body").write_bytes(body)
    before = nginx.mark()
    for _ in range(2):
        lab.run(
            "assistant",
            ["curl", "-sf", "--data-binary", f"@{lab.directory}/body", f"http://{LINKS[1][1].v4}/upload"],
        )
    first, second = nginx.since(before).log
    assert first.status == second.status == 201
    assert first.upload != second.upload
    assert first.checksum() == second.checksum() == hashlib.sha256(body).hexdigest()


def test_a_download_arrives_whole(lab: Lab, nginx: Nginx) -> None:
    got = lab.directory / "got"
    lab.run("sender", ["curl", "-sf", "-o", str(got), url(4, "/big.bin")])
    assert got.read_bytes() == (lab.directory / "nginx" / "www" / "big.bin").read_bytes()
    assert got.stat().st_size == PAGES["big.bin"]


def test_its_own_questions_are_not_in_its_counts(nginx: Nginx) -> None:
    before = nginx.mark()
    for _ in range(3):
        nginx.mark()
    assert nginx.since(before) == (0, 0, 0, [])


def test_a_port_in_use_is_said_in_one_sentence() -> None:
    listen = "import socket; s = socket.create_server(('', 80)); print(flush=True); s.accept()"
    with Lab() as lab:
        taken = lab.popen("server", [sys.executable, "-c", listen], stdout=subprocess.PIPE)
        assert taken.stdout is not None
        with taken.stdout:
            taken.stdout.readline()
        with (
            pytest.raises(EnvironmentFault, match=r"^nginx did not start in the lab: .*Address already in use"),
            Nginx(lab),
        ):
            pass
