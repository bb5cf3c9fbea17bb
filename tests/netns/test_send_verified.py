"""Answers of real servers compared with the recording, and what they hand out sent back by every user."""

from __future__ import annotations

import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sending import Run, intercepted, start
from served import replay, running

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.recording import Recording, Visit, record, recorded
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.servers.daemon import Daemon, script
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


# -- values that the server hands out --------------------------------------------------------------------------------

MEMBERS = 500
MEMBERS_PORT = 8080
RULES = """\
[[extract]]
name = "sid"
message = 1
after = "Set-Cookie: sid="
until = ";"
length = 32

[[field]]
message = 2
match = 'Cookie: sid=(\\w+)'
value = "extract:sid"
width = 32
"""
_SERVER = """
import http.server, os, secrets, sys

class Member(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    sids = {}

    def do_GET(self):
        if self.path == "/login":
            self.sids[self.client_address] = sid = secrets.token_hex(16)
            self.reply(200, sid)
        else:
            own = f"sid={self.sids.get(self.client_address)}"
            self.reply(200 if self.headers.get("Cookie") == own else 403)

    def reply(self, status, sid=None):
        self.send_response(status)
        if sid is not None:
            self.send_header("Set-Cookie", f"sid={sid}; Path=/")
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"member\\n")

    def log_request(self, code="-", size="-"):
        os.write(1, f"{self.path} {int(code)}\\n".encode())  # one write: threads share the log

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024

with Server(("0.0.0.0", int(sys.argv[1])), Member) as server:
    print("listening", flush=True)
    server.serve_forever()
"""


class Members(Daemon):
    """A server that gives every client an id when it logs in, and lets nobody in without the client's own."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "members")

    def _line(self) -> list[str]:
        return [*script(self.directory / "members.py", _SERVER), str(MEMBERS_PORT)]

    def _answers(self) -> bool:
        return "listening" in self.output.read_text()

    def answered(self) -> Counter[str]:
        """How often it has answered what with which status, "/page 403"."""
        return Counter(line for line in self.output.read_text().splitlines() if line.startswith("/"))


@pytest.fixture(scope="module")
def members(lab: Lab) -> Iterator[Members]:
    with running(Members(lab)) as server:
        yield server


@pytest.fixture(scope="module")
def visited(lab: Lab, members: Members) -> Path:
    """curl logs in and sends the cookie that it was given."""
    path, root = lab.directory / "members.pcap", f"http://{SERVER_V4}:{MEMBERS_PORT}"
    with recorded(lab, path, MEMBERS_PORT, 1):
        line = [tool("curl"), "-sS", "-b", "none", "-o", "/dev/null", f"{root}/login", "-o", "/dev/null"]
        lab.run("sender", [*line, f"{root}/page"])
    assert members.answered() == {"/login 200": 1, "/page 200": 1}
    return path


def test_every_user_sends_the_id_that_the_server_gave_it(lab: Lab, members: Members, visited: Path) -> None:
    rules = lab.directory / "members.toml"
    rules.write_text(RULES)
    before = members.answered()
    result = replay(lab, visited, MEMBERS_PORT, "--rules", str(rules), users=MEMBERS)
    assert members.answered() - before == {"/login 200": MEMBERS, "/page 200": MEMBERS}
    assert result["http_status"] == {"200": 2 * MEMBERS}
    assert (result["messages"]["extracted"], result["messages"]["unextracted"]) == (MEMBERS, 0)


def test_without_rules_every_user_sends_the_recorded_id_and_is_refused(
    lab: Lab, members: Members, visited: Path
) -> None:
    before = members.answered()
    line = ["send", "-x", f"{MEMBERS_PORT}-{SERVER_V4}:{MEMBERS_PORT}", "-f", str(visited), "-s", "xdp:eth0"]
    with intercepted(lab, "local"):
        run = start(lab, [*line, "-u", str(MEMBERS), "-c", "10.17.15.*"])
        assert run.finish() == 0, run.text
    assert members.answered() - before == {"/login 200": MEMBERS, "/page 403": MEMBERS}
    assert run.result["http_status"] == {"200": MEMBERS, "403": MEMBERS}
    assert run.result["messages"]["mismatched"] == MEMBERS
