"""nginx in the lab, with its own count of what it served."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.waiting import until

PORT = 80
LIVE = "live.sock"
"""The file in the lab's directory on which the server behind /live listens."""
PAGES = {"index.html": 612, "news.html": 2_300, "style.css": 9_100, "photo.jpg": 41_000, "big.bin": 5_000_000}
"""The files that it serves, and their sizes in bytes."""

# POST /upload: the mirror module is what reads the body and so has it stored, each under a name of its own.
# Then the static module, which wants a file to be there, refuses the method, and that becomes 201.
# /live is the WebSocket server's (gryphon.lab.servers.websocket), where that runs.
_CONFIGURATION = """\
user root;
daemon off;
pid nginx.pid;
worker_processes {workers};
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  log_format counted
    '$connection $remote_addr $status $bytes_sent $request_method $request_uri $request_body_file $http_cookie';
  access_log {log};
  client_body_temp_path uploads; proxy_temp_path unused; fastcgi_temp_path unused;
  uwsgi_temp_path unused; scgi_temp_path unused;
  client_max_body_size 64m;
  types {{ text/html html; text/css css; image/jpeg jpg; }}
  sendfile on; tcp_nopush on; log_not_found off;
  keepalive_timeout 1h; keepalive_requests 1000000;
  client_header_timeout 1h; client_body_timeout 1h; send_timeout 1h;
  server {{
    listen {port} backlog=1000000 reuseport; listen [::]:{port} backlog=1000000 reuseport;
    root www;
    location = /upload {{
      client_body_in_file_only {store};
      mirror /mirror; error_page 405 =201 @stored;
    }}
    location = /mirror {{ internal; return 204; }}
    location @stored {{ return 201 "stored\\n"; }}
    location = /live {{
      proxy_pass http://unix:{live}; proxy_http_version 1.1; proxy_read_timeout 1h;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }}
  }}
  server {{ listen unix:{directory}/status; access_log off; location / {{ stub_status; }} }}
}}
"""


class Answer(NamedTuple):
    """What was answered to what."""

    status: int
    method: str
    path: str


class Request(NamedTuple):
    """One line of the access log."""

    connection: int
    """nginx's serial number of the connection."""
    client: str
    status: int
    sent: int
    """Bytes of the answer, its header included."""
    method: str
    path: str
    upload: str
    """Where the request's body is stored; "-" where it is not."""
    cookie: str = "-"
    """The Cookie header, of a single cookie; "-" without one."""

    @property
    def answer(self) -> Answer:
        return Answer(self.status, self.method, self.path)

    def checksum(self) -> str:
        """SHA-256 of the stored body, as nginx received it."""
        return hashlib.sha256(Path(self.upload).read_bytes()).hexdigest()


class Mark(NamedTuple):
    """A moment in nginx's own counting, the lab's questions for it left out."""

    accepted: int
    requests: int
    open: int
    log_end: int


class Served(NamedTuple):
    """What nginx counted since a mark."""

    connections: int
    requests: int
    open: int
    """Connections that were still open at the end of the wait, and may have requests that the log lacks."""
    log: list[Request]


class Nginx:
    """nginx on the server host, port 80 of both IP versions, as a context manager; it stays where its lab is kept.

    With `counted` each request is in its access log and each upload is stored; a load test goes without.
    `connections` is how many it can hold open at once over all workers; a worker holds no more than the
    limit of files per process lets it (`ulimit -n`), so a large number needs many workers.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        workers: int = 2,
        connections: int = 16_384,
        counted: bool = True,
    ) -> None:
        self._lab = lab
        self._directory = lab.directory / "nginx"
        self._asked = 0
        self._process: subprocess.Popen[bytes] | None = None
        each = -(-connections // workers) + 64  # its own files and a share that the kernel deals unevenly
        self._configuration = _CONFIGURATION.format(
            workers=workers,
            connections=each,
            files=each + 64,
            log="access.log counted" if counted else "off",
            store="on" if counted else "off",
            port=PORT,
            directory=self._directory,
            live=lab.directory / LIVE,
        )

    def __enter__(self) -> Self:
        for name in ("www", "uploads"):
            (self._directory / name).mkdir(parents=True)
        for name, size in PAGES.items():
            (self._directory / "www" / name).write_bytes(_content(name, size))
        (self._directory / "www" / "upload").touch()
        (self._directory / "nginx.conf").write_text(self._configuration)
        self.start()
        return self

    def start(self) -> None:
        """Starts it, once more after a stop."""
        line = [tool("nginx"), "-p", f"{self._directory}/", "-c", "nginx.conf", "-e", "error.log"]
        with (self._directory / "output").open("wb") as output:
            self._process = self._lab.popen("server", line, stdout=output, stderr=output, stays=True)
        until("nginx to answer", self._answers)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._lab.kept:
            self.stop()

    def stop(self) -> None:
        """Ends it at once: open connections are cut."""
        if self._process is not None:
            self._lab.end(self._process)
            self._process = None

    def mark(self) -> Mark:
        """Its counts now: stub_status, and where its access log ends."""
        log = self._directory / "access.log"
        return self._status()._replace(log_end=log.stat().st_size if log.exists() else 0)

    def since(self, mark: Mark, *, patience: float = 10.0) -> Served:
        """What it served since `mark`, once every connection is closed and its requests are in the log.

        It waits for that no longer than `patience` seconds.
        """
        with contextlib.suppress(EnvironmentFault):
            until("nginx to see its last connection closed", lambda: self.mark().open == 0, seconds=patience)
        now = self.mark()
        return Served(now.accepted - mark.accepted, now.requests - mark.requests, now.open, self._log(mark.log_end))

    def _log(self, start: int) -> list[Request]:
        path = self._directory / "access.log"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(start)
            return [_request(line) for line in file.read().decode().splitlines()]

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise EnvironmentFault(f"nginx did not start in the lab: {self._complaint()}")
        try:
            self._status()
        except (FileNotFoundError, ConnectionError):  # not listening yet, or gone before it took the question
            return False
        return True

    def _complaint(self) -> str:
        said = [(self._directory / name).read_text() for name in ("output", "error.log")]
        return next((line for text in said for line in text.splitlines() if "[emerg]" in line), "".join(said))

    def _status(self) -> Mark:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as asking:
            asking.settimeout(10)
            asking.connect(f"{self._directory}/status")
            asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with asking.makefile("rb") as answer:
                text = answer.read().decode().partition("\r\n\r\n")[2]
        self._asked += 1
        active, accepted, _handled, requests, *_ = map(int, re.findall(r"\d+", text))
        return Mark(accepted - self._asked, requests - self._asked, active - 1, 0)


def _request(line: str) -> Request:
    connection, client, status, sent, method, path, upload, cookie = line.split(" ")
    return Request(int(connection), client, int(status), int(sent), method, path, upload, cookie)


def _content(name: str, size: int) -> bytes:
    """The file's content: the same at every start, and no part of it like another."""
    return hashlib.shake_256(name.encode()).digest(size)
