"""nginx and a WebSocket server behind it: keep-alive, posts, chunked posts, sockets; a thousand users replay them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from capturing import read
from served import USERS, replay, running

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording, Visit, record, recorded, url
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.servers.daemon import system_python
from gryphon.lab.servers.websocket import TICKS, Mark, WebSockets

# Asking first, curl waits for nginx to say "100 Continue" before it sends the body.
CHUNKED = ("-H", "Transfer-Encoding: chunked")
POSTED = 10_000
POST = ("--data-binary", f"{'gryphon ' * (POSTED // 8)}", "-H", "Content-Type: text/plain")
VISITS = (
    Visit("keep-alive", ("/", "/style.css", "/news.html", "/missing.html", "/photo.jpg")),
    Visit("post", ("/upload",), POST),
    Visit("chunked", ("/upload",), (*POST, *CHUNKED)),
    Visit("asks first", ("/upload",), (*POST, *CHUNKED, "-H", "Expect: 100-continue")),
    Visit("posts twice", ("/upload", "/upload"), (*POST, *CHUNKED)),
)

# Sessions that wait for every echo, one that is pushed to and stays a second longer, one of one-way messages, one
# whose echoes come while it is still sending.
_CLIENTS = """
import asyncio, sys
import websockets

async def visit(talk):
    async with websockets.connect(sys.argv[1], ping_interval=None) as peer:
        await talk(peer)

async def echoed(peer):
    for text in ("hello", "x" * 300, "y" * 70000, b"binary"):
        await peer.send(text)
        assert await peer.recv() == text

async def pushed(peer):
    await peer.send("subscribe")
    assert await peer.recv() == "subscribed"
    for number in range(int(sys.argv[2])):
        assert await peer.recv() == f"tick {number}"
    await asyncio.sleep(1)

async def ahead(peer):
    for number in range(20):
        await peer.send(f"quiet {number}")
    await peer.send("at last")
    assert await peer.recv() == "at last"

async def hurried(peer):
    texts = [f"message {number}" for number in range(int(sys.argv[3]))]
    for text in texts:
        await peer.send(text)
    assert [await peer.recv() for _ in texts] == texts

async def main():
    for talk in (echoed, pushed, ahead, echoed, hurried):
        await visit(talk)

asyncio.run(main())
"""
SOCKETS = 5
HURRIED = 20


@pytest.fixture(scope="module")
def visited(lab: Lab, nginx: Nginx) -> Recording:
    return record(lab, nginx, lab.directory / "http.pcap", visits=VISITS)


def test_every_request_is_answered_and_every_post_is_stored_whole(lab: Lab, nginx: Nginx, visited: Recording) -> None:
    assert visited.path.read_bytes().count(b"HTTP/1.1 100 Continue") == 1
    before = nginx.mark()
    replay(lab, visited.path, PORT, "-i", "500")
    served, expected = nginx.since(before), list(visited.replayed(USERS))
    assert (served.connections, served.open, len(served.log)) == (USERS, 0, len(expected))
    assert Counter(request.answer for request in served.log) == Counter(request.answer for request in expected)
    assert sum(request.sent for request in served.log) == sum(request.sent for request in expected)
    whole = hashlib.sha256(POST[1].encode()).hexdigest()
    sums = Counter(request.checksum() for request in served.log if request.method == "POST")
    assert sums == {whole: USERS}


@pytest.fixture(scope="module")
def websockets(lab: Lab, nginx: Nginx) -> Iterator[WebSockets]:
    with running(WebSockets(lab)) as server:
        yield server


@pytest.fixture(scope="module")
def talks(lab: Lab, websockets: WebSockets) -> tuple[Path, Mark]:
    """Five sessions, and what the WebSocket server counted of them."""
    path, before = lab.directory / "websocket.pcap", websockets.mark()
    address = url(4, "/live").replace("http", "ws")
    with recorded(lab, path, PORT, SOCKETS):
        lab.run("sender", [system_python(), "-c", _CLIENTS, address, str(TICKS), str(HURRIED)])
    return path, websockets.since(before, SOCKETS)


def test_every_websocket_message_is_echoed_and_every_push_arrives(
    lab: Lab, nginx: Nginx, websockets: WebSockets, talks: tuple[Path, Mark]
) -> None:
    path, once = talks
    assert (once.received, once.echoed, once.pushed) == (4 + 1 + 21 + 4 + HURRIED, 4 + 1 + 4 + HURRIED, TICKS)
    times = USERS // SOCKETS
    accepted, before = nginx.mark(), websockets.mark()
    result = replay(lab, path, PORT, "-i", "250")
    served = nginx.since(accepted)
    assert Counter(request.status for request in served.log) == {101: USERS}
    assert websockets.since(before, USERS) == Mark(*(count * times for count in once))
    answers = read(path).messages
    assert result["bytes"]["received"] == int((answers["expect"] + answers["pushed"]).sum()) * times
