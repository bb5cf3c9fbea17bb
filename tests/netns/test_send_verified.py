"""nginx' answers compared with the recording: statuses, sizes and first bytes."""

from __future__ import annotations

import socket
import sys
from collections import Counter
from typing import Any

import pytest
from sending import Run, intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording, Visit, record, recorded
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.wiring import SERVER_V4

USERS = 40
NOTICE = "notice.html"
_PLAIN = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as peer:
    peer.sendall(f"GET /{sys.argv[3]}\\r\\n".encode())
    while peer.recv(65536):
        pass
"""


def _send(lab: Lab, recording: Recording, topology: str, *more: str, sample: int = 64) -> Run:
    with intercepted(lab, topology, *(["--sample", str(sample)] if topology != "local" else [])) as (place, _):
        run = start(lab, [*options(recording, place.intercept, USERS), *more])
        run.finish()
    return run


def _page(lab: Lab, text: str) -> None:
    (lab.directory / "nginx" / "www" / NOTICE).write_text(text)


@pytest.mark.parametrize(("topology", "more"), [("local", ()), ("target", ("--verify", "64"))])
def test_statuses_are_those_of_nginx_own_log(
    lab: Lab, nginx: Nginx, recording: Recording, topology: str, more: tuple[str, ...]
) -> None:
    before = nginx.mark()
    run = _send(lab, recording, topology, *more)
    assert run.child.returncode == 0, run.text
    statuses = Counter(str(request.status) for request in nginx.since(before).log)
    assert len(statuses) >= 3
    assert run.result["http_status"] == statuses
    messages = run.result["messages"]
    assert (messages["mismatched"], messages["missing"]) == (0, 0)
    assert messages["matched"] == messages["answered"] == statuses.total()


def test_a_page_that_is_gone_shows_as_its_status_and_breaks_the_threshold(lab: Lab, nginx: Nginx) -> None:
    _page(lab, "all is well")
    recording = record(lab, nginx, lab.directory / "gone.pcap", visits=[Visit("reader", ("/", f"/{NOTICE}"))])
    (lab.directory / "nginx" / "www" / NOTICE).unlink()
    run = _send(lab, recording, "local", "--fail-if", "mismatched>0.1%")
    assert run.child.returncode == 1, run.text
    assert run.result["http_status"] == {"200": USERS, "404": USERS}
    messages = run.result["messages"]
    assert (messages["mismatched"], messages["matched"]) == (USERS, USERS)
    assert messages["other_content"] == USERS
    assert run.result["users"]["completed"] == USERS
    shown = [row for row in run.result["examples"] if row["kind"] == "other_content"]
    assert len(shown) == 5
    assert {row["begins"][:12] for row in shown} == {"HTTP/1.1 404"}
    assert {(row["session"], row["message"]) for row in shown} == {(0, 2)}


def test_a_page_that_fails_is_counted_by_its_status_for_those_too_whom_nginx_cuts_short(lab: Lab, nginx: Nginx) -> None:
    """nginx closes behind a 500, which it says to a file that is a socket: who had more to ask fails, besides."""
    _page(lab, "all is well" * 100)  # longer than a 500: its answer ends with the connection
    visits = [Visit("last", ("/", f"/{NOTICE}")), Visit("more", (f"/{NOTICE}", "/"))]
    recording = record(lab, nginx, lab.directory / "fails.pcap", visits=visits)
    page = lab.directory / "nginx" / "www" / NOTICE
    page.unlink()
    before = nginx.mark()
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(page))
        run = _send(lab, recording, "local", "--fail-if", "mismatched>0.1%")
    page.unlink()
    assert run.child.returncode == 1, run.text
    log = nginx.since(before).log
    assert run.result["http_status"] == Counter(str(request.status) for request in log)
    assert run.result["http_status"]["500"] == USERS
    messages, users = run.result["messages"], run.result["users"]
    assert (messages["answered"], messages["mismatched"], messages["missing"]) == (len(log), USERS, 0)
    assert (users["completed"], users["failed"]["early_close"]) == (USERS // 2, USERS // 2)


def test_a_page_of_another_size_is_a_mismatch_where_nothing_is_sampled(lab: Lab, nginx: Nginx) -> None:
    _page(lab, "all is well")
    recording = record(lab, nginx, lab.directory / "grown.pcap", visits=[Visit("reader", ("/", f"/{NOTICE}"))])
    _page(lab, "all is well, and more")
    run = _send(lab, recording, "target", sample=0)
    assert run.result["http_status"] == {}
    messages = run.result["messages"]
    assert (messages["mismatched"], messages["other_size"], messages["matched"]) == (USERS, USERS, USERS)


def _read_plainly(lab: Lab, text: str) -> Recording:
    """A reader of this page who speaks HTTP/0.9: an answer is the page, from its first byte on."""
    _page(lab, text)
    path = lab.directory / "plain.pcap"
    with recorded(lab, path, PORT, 1):
        lab.run("sender", [sys.executable, "-c", _PLAIN, SERVER_V4, str(PORT), NOTICE])
    return Recording(path, 4, [])


@pytest.fixture
def plain(lab: Lab, nginx: Nginx) -> Recording:
    return _read_plainly(lab, "all is well at 12:30")


def _messages(lab: Lab, recording: Recording, topology: str, *more: str) -> Any:
    """The result's messages of a run that everybody completed."""
    run = _send(lab, recording, topology, *more)
    assert run.result["users"]["completed"] == USERS, run.text
    return run.result["messages"]


@pytest.mark.parametrize("topology", ["local", "target"])
def test_a_changed_page_of_the_same_size_is_another_content(
    lab: Lab, nginx: Nginx, plain: Recording, topology: str
) -> None:
    assert _messages(lab, plain, topology, "--verify", "64")["mismatched"] == 0
    _page(lab, "all is lost at 12:30")
    found = _messages(lab, plain, topology, "--verify", "64")
    assert (found["other_content"], found["other_size"], found["mismatched"]) == (USERS, 0, USERS)


def test_a_status_line_is_compared_as_far_as_the_run_sees_it_and_what_is_behind_it_never(
    lab: Lab, nginx: Nginx
) -> None:
    recording = _read_plainly(lab, "HTTP/1.1 302 Moved Temporarily\r\nDate: 1\r\n\r\n")
    all_of_it = ("--verify", "64")
    for page, more, other in (
        ("HTTP/1.1 302 Moved Temporarily\r\nDate: 2\r\n\r\n", all_of_it, 0),
        ("HTTP/1.1 302 Moved Permanently\r\nDate: 1\r\n\r\n", (), 0),  # 16 bytes: up to "Mov"
        ("HTTP/1.1 302 Moved Permanently\r\nDate: 1\r\n\r\n", all_of_it, USERS),
        ("HTTP/1.1 302 Found Temporarily\r\nDate: 1\r\n\r\n", (), USERS),
    ):
        _page(lab, page)
        messages = _messages(lab, recording, "local", *more)
        assert (messages["other_content"], messages["other_size"]) == (other, 0), page
