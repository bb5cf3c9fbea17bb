"""Records real clients of the lab's nginx with real tcpdump: the capture that demo and tests replay."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import dpkt

from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers import PORT, Nginx, Request
from gryphon.lab.tap import Tap
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4, SERVER_V6, HostName

UPLOAD_BYTES = 100_000


class Visit(NamedTuple):
    """One run of curl, which is one connection: the paths that it asks for in order, and options."""

    name: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()
    sends: int = 0
    """Bytes that it posts; they are in the file `upload` of the lab's directory."""


VISITS = (
    Visit("keep-alive", ("/", "/style.css", "/news.html", "/photo.jpg")),
    Visit("upload", ("/upload",), ("-H", "Expect:"), UPLOAD_BYTES),
    Visit("download", ("/big.bin",)),
    Visit("reader", ("/", "/news.html", "/news.html?page=2"), ("--rate", "5/s")),
    Visit("broken link", ("/news.html", "/missing.html", "/")),
    Visit("glance", ("/",)),
    Visit("photo", ("/photo.jpg",)),
    Visit("update", ("/news.html", "/news.html?page=2")),
)
"""What the real clients do; the reader thinks 200 ms between its pages. One in eight downloads 5 MB."""


class Recording(NamedTuple):
    """A capture of real clients and what nginx logged while it was made."""

    path: Path
    version: int
    """Of IP: 4 or 6."""
    sessions: list[list[Request]]
    """Each connection's requests, in the order in which the connections began."""

    def replayed(self, users: int) -> Iterator[Request]:
        """The requests that so many users repeat, when user i replays session i mod n."""
        for user in range(users):
            yield from self.sessions[user % len(self.sessions)]


def record(lab: Lab, nginx: Nginx, path: Path, *, version: int = 4, visits: Sequence[Visit] = VISITS) -> Recording:
    """Runs the visits one after the other from the sender's own address, with tcpdump on the server's eth0.

    Every connection's handshake and both its FINs are in the file when this returns.

    Args:
        version: of IP, 4 or 6.
    """
    before = nginx.mark()
    with recorded(lab, path, PORT, len(visits)):
        browse(lab, visits, version=version)
    log = nginx.since(before).log
    sessions = [list(requests) for _, requests in itertools.groupby(log, lambda request: request.connection)]
    return Recording(path, version, sessions)


@contextlib.contextmanager
def recorded(lab: Lab, path: Path, port: int, sessions: int) -> Iterator[None]:
    """tcpdump on the server's eth0 meanwhile; then so many connections to the port are whole in the file.

    Whole is from the SYN to a FIN of both ends: a connection that is reset does not count.
    """
    with Tap(lab, "server", "eth0", path, f"tcp port {port}") as tap:
        yield
        until("the last FIN in the recording", lambda: _closed(tap, port) == sessions, seconds=30)


def browse(lab: Lab, visits: Sequence[Visit], *, version: int = 4, host: HostName = "sender") -> None:
    """Runs the visits one after the other, from an address of the host's own."""
    posted = lab.directory / "upload"
    posted.write_bytes(upload())
    for visit in visits:
        lab.run(host, _curl(visit, version, posted))


def upload() -> bytes:
    """What the upload visit posts."""
    return hashlib.shake_256(b"upload").digest(UPLOAD_BYTES)


def url(version: int, path: str) -> str:
    """Where a client finds a path of the lab's nginx."""
    return f"http://{SERVER_V4 if version == 4 else f'[{SERVER_V6}]'}{path}"


def _curl(visit: Visit, version: int, posted: Path) -> list[str]:
    line = [tool("curl"), "-sS", *visit.options]
    if visit.sends:
        line += ["--data-binary", f"@{posted}"]
    for path in visit.paths:
        line += ["-o", "/dev/null", url(version, path)]
    return line


def _closed(tap: Tap, port: int) -> int:
    """How many connections of the file began with a SYN and have been closed by both ends."""
    ends: Counter[tuple[bytes, int]] = Counter()
    began = set()
    for _, frame in tap.packets():
        ip = dpkt.ethernet.Ethernet(frame).data
        tcp = ip.data
        outgoing = tcp.dport == port
        client = (ip.src, tcp.sport) if outgoing else (ip.dst, tcp.dport)
        if tcp.flags & dpkt.tcp.TH_SYN and outgoing:
            began.add(client)
        if tcp.flags & dpkt.tcp.TH_FIN:
            ends[client] |= 1 if outgoing else 2
    return sum(ends[client] == 3 for client in began)
