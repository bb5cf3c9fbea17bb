"""A web server in the lab that hands out values and wants each back once, from the client that it gave them to."""

from __future__ import annotations

from collections import Counter

from gryphon.lab.hosts import Lab
from gryphon.lab.servers.daemon import Daemon, script

PORT = 8080

# GET /start: a cookie, and a ticket in the address of the next page. GET /form: both are wanted, and a token is in the
# page. POST /order: the cookie and that token are wanted. What was not given, or was used before, is a 403.
# An answer is one write: its head is not sent for itself.
_SERVER = """\
import http.server, os, re, secrets, sys, threading

sessions, lock = {}, threading.Lock()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1

    def own(self, kind, value):
        found = re.search(r"sid=(\\w+)", self.headers.get("Cookie", ""))
        with lock:
            session = sessions.get(found[1] if found else "", {})
            return value is not None and session.pop(kind, None) == value

    def give(self, kind, sid):
        value = secrets.token_hex(8)
        with lock:
            sessions.setdefault(sid, {})[kind] = value
        return value

    def answer(self, status, text="", **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/start":
            sid = secrets.token_hex(16)
            ticket = self.give("ticket", sid)
            self.answer(302, Location="/form?ticket=" + ticket, Set_Cookie="sid=" + sid + "; HttpOnly")
        elif self.own("ticket", query.removeprefix("ticket=")):
            token = self.give("token", re.search(r"sid=(\\w+)", self.headers["Cookie"])[1])
            self.answer(200, '<form><input name="csrf" value="' + token + '"></form>')
        else:
            self.answer(403, "this is not your ticket")

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.own("token", text.removeprefix("csrf=").partition("&")[0]):
            self.answer(200, "ordered")
        else:
            self.answer(403, "this is not your form")

    def log_request(self, code="-", size="-"):
        os.write(1, (self.command + " " + self.path.partition("?")[0] + " " + str(int(code)) + "\\n").encode())

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 4096

Server(("", int(sys.argv[1])), Handler).serve_forever()
"""


class Tickets(Daemon):
    """The server, on port 8080 of IPv4, as a context manager."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "tickets")

    def mark(self) -> int:
        """How many answers it has given."""
        return len(self._log())

    def since(self, mark: int) -> Counter[str]:
        """How often it gave which answer to what, such as "GET /form 403"."""
        return Counter(self._log()[mark:])

    def _log(self) -> list[str]:
        return self.output.read_text().splitlines()

    def _line(self) -> list[str]:
        return [*script(self.directory / "server.py", _SERVER), str(PORT)]

    def _answers(self) -> bool:
        return f":{PORT}" in self.lab.run("server", ["ss", "-Htln", f"sport = :{PORT}"]).stdout
